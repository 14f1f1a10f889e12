//! Function libraries: who runs them and what they are called, out of their first line.
//!
//! ```text
//! #!lua name=mylib\n   code
//! ```
//!
//! The line is split as servers split commands, so a name may be quoted. Of the code behind it
//! nothing is known here: whether it compiles, and what it registers, only an engine can say.

use crate::bytes::split_words;

/// What the first line of a library says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LibraryHead {
    /// The engine; servers find `lua` in any case.
    pub(crate) engine: Vec<u8>,
    /// The name of the library.
    pub(crate) name: Vec<u8>,
}

impl LibraryHead {
    /// Reads the first line as servers do; the error says what is there instead.
    pub(crate) fn parse(code: &[u8]) -> Result<LibraryHead, &'static str> {
        if !code.starts_with(b"#!") {
            return Err("a library without such a line");
        }
        // Servers look for the line's end in a text that a zero ends.
        let line = code.split(|&byte| byte == 0).next().unwrap_or_default();
        let end =
            line.iter().position(|&byte| byte == b'\n').ok_or("a first line without an end")?;
        let words = line.get(..end).and_then(split_words).ok_or("quotes that do not close")?;
        let mut words = words.into_iter();
        let engine = words.next().and_then(|word| Some(word.strip_prefix(b"#!")?.to_vec()));
        let mut name = None;
        for word in words {
            match word.split_at_checked(5) {
                Some((option, value)) if option.eq_ignore_ascii_case(b"name=") => {
                    if name.replace(value.to_vec()).is_some() {
                        return Err("a name given twice");
                    }
                }
                _ => return Err("an option other than name="),
            }
        }
        let name = name.ok_or("no name")?;
        if name.is_empty() || !name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            return Err("a name that is not of letters, digits and underscores");
        }
        Ok(LibraryHead { engine: engine.unwrap_or_default(), name })
    }
}

#[cfg(test)]
mod tests {
    use super::LibraryHead;

    #[track_caller]
    fn check(code: &str, want: Result<(&str, &str), &str>) {
        let head = LibraryHead::parse(code.as_bytes());
        let owned = |text: &str| text.as_bytes().to_vec();
        let want =
            want.map(|(engine, name)| LibraryHead { engine: owned(engine), name: owned(name) });
        assert_eq!(head, want);
    }

    #[test]
    fn a_library_is_named_by_its_first_line() {
        check("#!lua name=mylib\nredis.register_function('f', f)", Ok(("lua", "mylib")));
        check("#!LUA  NAME=my_lib9\r\n", Ok(("LUA", "my_lib9")));
        check("#!lua name=\"l\"\n", Ok(("lua", "l")));
        check("#! name=l\n", Ok(("", "l")));
    }

    #[test]
    fn what_servers_stop_at() {
        check("", Err("a library without such a line"));
        check("return 1\n", Err("a library without such a line"));
        check("\"#!lua\" name=l\n", Err("a library without such a line"));
        check("#!lua name=l return 1", Err("a first line without an end"));
        check("#!lua\0 name=l\n", Err("a first line without an end"));
        check("#!lua name=\"l\n", Err("quotes that do not close"));
        check("#!lua name=l x=1\n", Err("an option other than name="));
        check("#! lua name=l\n", Err("an option other than name="));
        check("#!lua name=l name=m\n", Err("a name given twice"));
        check("#!lua\n", Err("no name"));
        for name in ["", "l-x", "\u{e9}"] {
            let why = "a name that is not of letters, digits and underscores";
            check(&format!("#!lua name={name}\n"), Err(why));
        }
    }
}
