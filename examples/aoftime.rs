use std::time::Instant;
fn main() {
    let mut a = std::env::args().skip(1);
    let path = a.next().unwrap();
    let threads: usize = a.next().unwrap().parse().unwrap();
    let f = std::fs::File::open(path).unwrap();
    #[allow(unsafe_code)]
    let m = unsafe { memmap2::Mmap::map(&f).unwrap() };
    for _ in 0..3 {
        let t = Instant::now();
        let r = rdbkit::aof::check_slice(
            &m,
            0,
            rdbkit::aof::Place::Last,
            &rdbkit::aof::ScanOptions { threads, ..Default::default() },
        )
        .unwrap();
        println!(
            "{:?} {:?} good {} findings {}",
            t.elapsed(),
            r.outcome.counts,
            r.outcome.good_up_to,
            r.findings.len()
        );
        for f in r.findings.iter().take(5) {
            println!("{f:?}");
        }
    }
}
