//! `completions` and `man`: what a shell and a reader of manual pages want.

use std::io::Write as _;

use clap::Args;
use clap_complete::Shell;
use rdbkit::Error;

use super::exit::Exit;

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit completions bash > /etc/bash_completion.d/rdbkit
  rdbkit completions zsh > \"${fpath[1]}/_rdbkit\"
  rdbkit completions fish > ~/.config/fish/completions/rdbkit.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Print the manual page, in roff: of all verbs, or of one
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit man > /usr/local/share/man/man1/rdbkit.1
  rdbkit man check | man -l -")]
pub(crate) struct ManArgs {
    /// A verb
    verb: Option<String>,
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "rdbkit", &mut script);
    print(&script)
}

pub(crate) fn man(args: &ManArgs) -> Result<Exit, Error> {
    let mut command = super::command();
    // The grouped template is for a screen; a manual page has sections of its own.
    command = command.help_template("{all-args}");
    command.build();
    if let Some(verb) = &args.verb {
        let found = command.find_subcommand(verb).cloned();
        let name = format!("rdbkit-{verb}");
        command = match found {
            Some(found) => found.name(&*name.leak()),
            None => {
                return Err(Error::Usage(format!("there is no verb {verb:?}: see rdbkit help")));
            }
        };
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|cause| Error::io("cannot write the page", cause))?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<Exit, Error> {
    let mut out = super::stdout();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(super::cannot_write)?;
    Ok(Exit::Clean)
}
