//! The walk over the masters of a target.

use crate::target::live::Route;

/// Visits each master once, by the tag of what is kept there: of one server over several connections
/// there is one, and lanes of a Cluster may be added meanwhile.
pub(super) fn each_master<E>(
    route: &mut dyn Route,
    mut visit: impl FnMut(&mut dyn Route, usize, &str) -> Result<(), E>,
) -> Result<(), E> {
    let (mut tags, mut lane) = (Vec::new(), 0);
    while lane < route.lanes() {
        let tag = route.tag(lane);
        if !tags.contains(&tag) {
            visit(route, lane, &tag)?;
            tags.push(tag);
        }
        lane += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Address, Connection, Failure};

    /// Four lanes of two masters, and one more that is found on the way.
    #[derive(Debug)]
    struct Lanes(usize);

    impl Route for Lanes {
        fn lanes(&self) -> usize {
            self.0
        }

        fn lane(&self, _: u16) -> Option<usize> {
            None
        }

        fn open(&mut self, _: usize) -> Result<Connection, Failure> {
            self.0 = 5;
            let address = Address::Tcp("h".into(), 1);
            Err(Failure::Unfit { address, words: "is no server".into() })
        }

        fn tag(&self, lane: usize) -> String {
            format!("{{{}}}", lane / 2)
        }

        fn name(&self, _: usize) -> String {
            String::new()
        }
    }

    #[test]
    fn each_is_visited_once_also_those_that_come_later() {
        let mut visited = Vec::new();
        let walked = each_master(&mut Lanes(4), |route, lane, tag| {
            let _ = route.open(lane);
            visited.push((lane, tag.to_owned()));
            Ok::<_, ()>(())
        });
        assert_eq!(walked, Ok(()));
        let want = [(0, "{0}"), (2, "{1}"), (4, "{2}")];
        assert_eq!(visited, want.map(|(lane, tag)| (lane, tag.to_owned())));
    }
}
