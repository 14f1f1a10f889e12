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
use std::process::{Command, Stdio};

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

/// The browser; where it is missing, the test fails in CI and is skipped elsewhere.
fn browser() -> Option<PathBuf> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    let found = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file());
    if found.is_none() {
        let message = "no chromium; run tests/fetch-tools";
        assert!(!in_ci(), "{message}");
        skipped(message);
    }
    found
}

/// Opens a page, for what it is after its script has run.
fn dump_dom(browser: &Path, page: &Path, fragment: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update"])
        .args(["--disable-sync", "--disable-dev-shm-usage", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}#{fragment}", page.display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
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

    // The page has more of the biggest keys than the screen, and JSON is as the screen.
    assert!(text.matches(":state&quot;</td>").count() >= 100, "rows of the page");
    let screen = String::from_utf8(look.stdout).unwrap();
    let biggest = screen.split("Biggest keys by memory").nth(1).unwrap();
    let biggest = biggest.split("\n\n").next().unwrap();
    assert_eq!(biggest.trim().lines().count(), 1 + 10, "{biggest}");
}
