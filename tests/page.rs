//! The page that `inspect --html` writes, opened in a real browser.
#![cfg(feature = "html")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use support::{in_ci, skipped};

/// Rows of the large table.
const ROWS: usize = 10_000;

fn rdbkit() -> assert_cmd::Command {
    assert_cmd::Command::new(env!("CARGO_BIN_EXE_rdbkit"))
}

/// A page of a file, with so many of its biggest keys.
fn page(rdb: &Path, top: usize, to: &Path) {
    let mut command = rdbkit();
    command.args(["inspect", "--now", "2026-11-23T00:00:00Z", "--by", "type"]);
    command.args(["--server", "redis:7.0", "--top", &top.to_string(), "--html"]).arg(to).arg(rdb);
    command.assert().success();
}

/// A program that is on the path.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The browser; where it is missing, the test fails in CI and is skipped elsewhere.
fn browser() -> Option<PathBuf> {
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(program);
    if found.is_none() {
        let message = "no chromium; run tests/fetch-tools";
        assert!(!in_ci(), "{message}");
        skipped(message);
    }
    found
}

/// Opens a page in the browser; what that prints.
fn run(browser: &Path, args: &[&str], page: &Path, fragment: &str) -> Output {
    let profile = tempfile::tempdir().unwrap();
    Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .args(["--disable-sync", "--disable-dev-shm-usage"])
        .args(args)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}#{fragment}", page.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Opens a page, for what it is after its script has run.
fn dump_dom(browser: &Path, page: &Path, fragment: &str) -> String {
    let output = run(browser, &["--dump-dom"], page, fragment);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("</html>"), "{:?}: {errors}", output.status);
    text
}

/// A snapshot of strings with these names.
fn snapshot(names: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut out = b"REDIS0011\xfe\x00".to_vec();
    for (n, name) in names.enumerate() {
        assert!(name.len() < 64 && n < 1 << 24);
        out.extend([0, name.len() as u8]);
        out.extend(&name);
        out.extend([0xc2]);
        out.extend((n as u32).to_le_bytes());
    }
    // A checksum of zero is none.
    out.extend([0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    out
}

#[test]
fn a_browser_sorts_and_searches_ten_thousand_rows() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (rdb, html) = (folder.path().join("dump.rdb"), folder.path().join("page.html"));
    let names = (0..ROWS).map(|n| format!("group{}:item:{n}", n % 40).into_bytes());
    fs::write(&rdb, snapshot(names)).unwrap();
    page(&rdb, ROWS, &html);

    let dom = dump_dom(&browser, &html, "q=group7:&sort=elements");
    let root = dom.split('>').take(3).collect::<String>();
    assert!(root.contains("data-ready=\"groups prefixes keys\""), "{root}");
    assert!(!root.contains("data-error"), "{root}");
    let table = dom.split("<table id=\"keys\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(table.contains(&format!("data-rows=\"{ROWS}\"")), "{table}");
    assert!(table.contains("data-shown=\"250\""), "{table}");
    assert!(dom.contains("aria-sort=\"descending\""));
    assert!(dom.contains("250 of 10,000"));
}

#[test]
fn a_key_that_looks_like_markup_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let (rdb, html) = (folder.path().join("dump.rdb"), folder.path().join("page.html"));
    let names: [&[u8]; 4] = [
        b"<script>document.documentElement.dataset.x=1:",
        b"\"><img src=x onerror=alert(1)>:k",
        b"\xff\xfe</svg></style>&amp;:k",
        b"{{ source }}{% raw %}:k",
    ];
    fs::write(&rdb, snapshot(names.iter().map(|name| name.to_vec()))).unwrap();
    page(&rdb, 10, &html);
    let text = fs::read_to_string(&html).unwrap();
    for markup in ["<script>document.", "<img", "</svg></style>", "onerror=alert(1)>"] {
        assert!(!text.contains(markup), "{markup}");
    }
    assert!(text.contains("{{ source }}"));
    assert!(text.contains("&lt;img src=x onerror=alert(1)&gt;"));
    // Nothing comes from elsewhere.
    assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("@import"));

    let Some(browser) = browser() else { return };
    let dom = dump_dom(&browser, &html, "");
    let root = dom.split('>').take(3).collect::<String>();
    assert!(root.contains("data-ready=") && !root.contains("data-error"), "{root}");
    assert!(!root.contains("data-x"), "{root}");
}

#[test]
fn a_page_is_not_written_over_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (rdb, html) = (folder.path().join("dump.rdb"), folder.path().join("page.html"));
    fs::write(&rdb, snapshot([b"k".to_vec()].into_iter())).unwrap();
    fs::write(&html, "mine").unwrap();
    rdbkit().args(["inspect", "--html"]).arg(&html).arg(&rdb).assert().code(2);
    assert_eq!(fs::read_to_string(&html).unwrap(), "mine");
    rdbkit().args(["inspect", "--force", "--html"]).arg(&html).arg(&rdb).assert().success();
    assert!(fs::read_to_string(&html).unwrap().starts_with("<!DOCTYPE html>"));
}

#[test]
fn a_page_shows_what_is_large_and_a_screen_beside_it_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let (rdb, html) = (folder.path().join("dump.rdb"), folder.path().join("page.html"));
    // Names of single things make prefixes that say nothing.
    let ids = (0..5000).map(|n| format!("order:{n}:state").into_bytes());
    let some = (0..50).map(|n| format!("user:profile:{n}").into_bytes());
    fs::write(&rdb, snapshot(ids.chain(some))).unwrap();
    let look = rdbkit().args(["inspect", "--by", "prefix", "--html"]).arg(&html).arg(&rdb).unwrap();

    let text = fs::read_to_string(&html).unwrap();
    let table = text.split("id=\"prefixes\"").nth(1).unwrap().split("</table>").next().unwrap();
    let rows = table.matches("<tr><td").count();
    assert_eq!(rows, 3, "order:, user: and user:profile:");
    assert!(table.contains("&quot;user:profile:&quot;"), "{table}");
    assert!(text.contains("the ones with at least 0.1 % of the memory are listed"));
    // None of these keys expires: what is not there has no bar.
    let expiry = text.split("When keys expire").nth(1).unwrap().split("</section>").next().unwrap();
    assert_eq!(expiry.matches("<u style").count(), 1, "{expiry}");
    // A bar is not what expires within a day: it leaves out what expires within an hour.
    assert!(expiry.contains("1 hour – 1 day") && !expiry.contains("within a day"), "{expiry}");

    // All rows say how long the longest element is.
    assert!(text.contains("Longest element") && !text.contains(">–</td>"));

    // The page has more of the biggest keys than the screen, and JSON is as the screen.
    assert!(text.matches(":state&quot;</td>").count() >= 100, "rows of the page");
    let screen = String::from_utf8(look.stdout).unwrap();
    let biggest = screen.split("Biggest keys by memory").nth(1).unwrap();
    let biggest = biggest.split("\n\n").next().unwrap();
    assert_eq!(biggest.trim().lines().count(), 1 + 10, "{biggest}");

    // How many are asked for is about the page.
    let mut look = rdbkit();
    look.args(["inspect", "--top=2000", "--force", "--html"]).arg(&html).arg(&rdb);
    let screen = String::from_utf8(look.unwrap().stdout).unwrap();
    assert!(screen.matches(":state").count() < 40, "{screen}");
    let text = fs::read_to_string(&html).unwrap();
    assert!(text.matches(":state&quot;</td>").count() >= 2000);
}

/// A page as it is printed: how many rows of the table of keys there are, the first of them, and
/// what is said of them.
fn printed(browser: &Path, page: &Path, fragment: &str) -> (usize, String, String) {
    const LOOK: &str = "<script>(function () {
        var seen = function (it) { return getComputedStyle(it).display !== 'none'; };
        var rows = Array.from(document.querySelectorAll('#keys tbody tr')).filter(seen);
        var note = document.querySelector('[data-printed=keys]');
        var found = [rows.length, rows[0].cells[0].textContent, seen(note) ? note.textContent : ''];
        document.documentElement.dataset.found = found.join('|');
    })();</script></body>";
    let text = fs::read_to_string(page).unwrap();
    let text = text.replace("@media print", "@media all").replace("</body>", LOOK);
    let copy = page.with_extension("print.html");
    fs::write(&copy, text).unwrap();
    let dom = dump_dom(browser, &copy, fragment);
    let found = dom.split("data-found=\"").nth(1).unwrap().split("\">").next().unwrap();
    let found: Vec<&str> = found.split('|').collect();
    (found[0].parse().unwrap(), found[1].replace("&quot;", "\""), found[2].to_owned())
}

#[test]
fn a_print_has_the_first_rows_of_those_that_are_shown() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (rdb, html) = (folder.path().join("dump.rdb"), folder.path().join("page.html"));
    let names = (0..1500).map(|n| format!("group{}:item:{n}", n / 300).into_bytes());
    fs::write(&rdb, snapshot(names)).unwrap();
    page(&rdb, 1500, &html);

    let (rows, _, said) = printed(&browser, &html, "");
    assert_eq!((rows, said.as_str()), (100, "The first 100 of 1,500 rows are printed."));
    let (rows, first, said) = printed(&browser, &html, "q=group4:");
    let want = "Rows with “group4:”: 300 of 1,500. The first 100 of 300 rows are printed.";
    assert_eq!((rows, said.as_str()), (100, want));
    assert!(first.contains("group4:item:"), "{first}");
    let (rows, _, said) = printed(&browser, &html, "q=item:77");
    assert_eq!((rows, said.trim()), (11, "Rows with “item:77”: 11 of 1,500."));
}

#[test]
fn a_map_has_figures_where_there_is_room_and_one_for_narrow_screens() {
    let folder = tempfile::tempdir().unwrap();
    let (rdb, html) = (folder.path().join("dump.rdb"), folder.path().join("page.html"));
    let alone = (0..500).map(|n| format!("alone:{n}").into_bytes());
    let split = (0..500).map(|n| format!("split:{}:{n}", n % 2).into_bytes());
    fs::write(&rdb, snapshot(alone.chain(split))).unwrap();
    rdbkit().args(["inspect", "--by", "prefix", "--html"]).arg(&html).arg(&rdb).assert().success();
    let text = fs::read_to_string(&html).unwrap();
    for class in ["map wide", "map narrow"] {
        let map = text.split(&format!("<svg class=\"{class}\"")).nth(1).unwrap();
        let map = map.split("</section>").next().unwrap();
        let tile = map.split("<g>").find(|tile| tile.contains(">alone:<")).unwrap();
        assert!(tile.contains("class=\"note") && tile.contains(" %</text>"), "{tile}");
        let whole = map.split("<g>").find(|tile| tile.contains(">split:<")).unwrap();
        // One that is divided has them beside its name.
        assert!(whole.contains(" beside\""), "{whole}");
        let figures = if class == "map wide" { "500 keys · " } else { " · " };
        assert!(whole.contains(figures) && whole.contains(" %</text>"), "{whole}");
        assert!(map.contains(">0:<"), "{class}");
    }
}
