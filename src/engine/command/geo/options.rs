//! What a search is asked: where, how far, in which order, and what to do with it.

use super::cell::{Cell, Point};
use super::shape::{self, Shape};
use super::{number, point, unit};
use crate::engine::{Answer, Call, Failure, SortedSet};
use crate::rdb::Product;

/// Which command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Radius { store: bool },
    RadiusByMember { store: bool },
    Search,
    SearchStore,
}

/// The order of what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    AsFound,
    Nearest,
    Farthest,
}

/// A search as it is asked for.
#[derive(Debug)]
pub(super) struct Query<'a> {
    pub(super) source: &'a [u8],
    pub(super) centre: Point,
    pub(super) shape: Shape,
    /// Metres of the unit of distances.
    pub(super) unit: f64,
    pub(super) order: Order,
    /// 0 is all.
    pub(super) count: usize,
    /// Whether any so many will do.
    pub(super) any: bool,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_position: bool,
    pub(super) store: Option<&'a [u8]>,
    pub(super) store_distance: bool,
    /// Whether there is a key to be searched.
    pub(super) there: bool,
}

/// Where a search that names its centre and shape has them from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Given {
    member: bool,
    place: bool,
    circle: bool,
    rectangle: bool,
    polygon: bool,
}

impl<'a> Query<'a> {
    pub(super) fn parse(call: &mut Call<'a>, form: Form) -> Answer<Self> {
        let at = if form == Form::SearchStore { 2 } else { 1 };
        let source = call.arg(at);
        let there = call.keys.get::<SortedSet>(source)?.is_some();
        let mut query = Query {
            source,
            centre: Point { longitude: 0.0, latitude: 0.0 },
            shape: Shape::Circle { radius: 0.0 },
            unit: 1.0,
            order: Order::AsFound,
            count: 0,
            any: false,
            with_distance: false,
            with_hash: false,
            with_position: false,
            store: None,
            store_distance: false,
            there,
        };
        let first = match form {
            Form::Radius { .. } => {
                query.centre = point(call, 2)?;
                query.circle(call, 4)?;
                6
            }
            Form::RadiusByMember { .. } => {
                if there {
                    query.centre = query.member(call, 2)?;
                    query.circle(call, 3)?;
                }
                5
            }
            Form::Search => 2,
            Form::SearchStore => {
                query.store = Some(call.arg(1));
                3
            }
        };
        let given = query.options(call, form, first)?;
        query.complete(call, form, given)?;
        Ok(query)
    }

    fn options(&mut self, call: &mut Call<'a>, form: Form, first: usize) -> Answer<Given> {
        let searches = matches!(form, Form::Search | Form::SearchStore);
        let stores =
            matches!(form, Form::Radius { store: true } | Form::RadiusByMember { store: true });
        let mut given = Given::default();
        let mut at = first;
        while at < call.argc() {
            let left = call.argc() - at - 1;
            let used = match () {
                () if call.is(at, "WITHDIST") => {
                    self.with_distance = true;
                    0
                }
                () if call.is(at, "WITHHASH") => {
                    self.with_hash = true;
                    0
                }
                () if call.is(at, "WITHCOORD") => {
                    self.with_position = true;
                    0
                }
                () if call.is(at, "ANY") => {
                    self.any = true;
                    0
                }
                () if call.is(at, "ASC") => {
                    self.order = Order::Nearest;
                    0
                }
                () if call.is(at, "DESC") => {
                    self.order = Order::Farthest;
                    0
                }
                () if call.is(at, "COUNT") && left >= 1 => {
                    self.count = usize::try_from(call.int(at + 1)?)
                        .ok()
                        .filter(|count| *count > 0)
                        .ok_or(Failure::text("ERR COUNT must be > 0"))?;
                    1
                }
                () if stores && call.is(at, "STORE") && left >= 1 => {
                    (self.store, self.store_distance) = (Some(call.arg(at + 1)), false);
                    1
                }
                () if stores && call.is(at, "STOREDIST") && left >= 1 => {
                    (self.store, self.store_distance) = (Some(call.arg(at + 1)), true);
                    1
                }
                () if form == Form::SearchStore && call.is(at, "STOREDIST") => {
                    self.store_distance = true;
                    0
                }
                () if searches => self.place(call, at, &mut given)?,
                () => return Err(Failure::SYNTAX),
            };
            at += 1 + used;
        }
        Ok(given)
    }

    /// The options of GEOSEARCH that say where; how many arguments there are behind the word.
    fn place(&mut self, call: &mut Call<'a>, at: usize, given: &mut Given) -> Answer<usize> {
        let left = call.argc() - at - 1;
        let centred = given.polygon;
        if call.is(at, "FROMMEMBER") && left >= 1 && !given.place && !centred {
            if self.there {
                self.centre = self.member(call, at + 1)?;
            }
            given.member = true;
            return Ok(1);
        }
        if call.is(at, "FROMLONLAT") && left >= 2 && !given.member && !centred {
            self.centre = point(call, at + 1)?;
            given.place = true;
            return Ok(2);
        }
        if call.is(at, "BYRADIUS") && left >= 2 && !given.rectangle && !given.polygon {
            self.circle(call, at + 1)?;
            given.circle = true;
            return Ok(2);
        }
        if call.is(at, "BYBOX") && left >= 3 && !given.circle && !given.polygon {
            self.rectangle(call, at + 1)?;
            given.rectangle = true;
            return Ok(3);
        }
        let target = &call.env.target;
        let polygons =
            call.env.takes_all() || (target.product == Product::Valkey && target.version >= (9, 0));
        let alone = !(given.member || given.place || given.circle || given.rectangle);
        if polygons && call.is(at, "BYPOLYGON") && left >= 1 && alone {
            given.polygon = true;
            return self.polygon(call, at + 1);
        }
        Err(Failure::SYNTAX)
    }

    /// A radius and its unit.
    fn circle(&mut self, call: &Call<'_>, at: usize) -> Answer<()> {
        let radius = number(call, at, Failure::text("ERR need numeric radius"))?;
        if radius < 0.0 {
            return Err(Failure::text("ERR radius cannot be negative"));
        }
        self.unit = unit(call, at + 1)?;
        self.shape = Shape::Circle { radius: radius * self.unit };
        Ok(())
    }

    /// A width, a height and their unit.
    fn rectangle(&mut self, call: &Call<'_>, at: usize) -> Answer<()> {
        let width = number(call, at, Failure::text("ERR need numeric width"))?;
        let height = number(call, at + 1, Failure::text("ERR need numeric height"))?;
        if width < 0.0 || height < 0.0 {
            return Err(Failure::text("ERR height or width cannot be negative"));
        }
        self.unit = unit(call, at + 2)?;
        self.shape = Shape::Box { width: width * self.unit, height: height * self.unit };
        Ok(())
    }

    /// A number of corners, and the corners, of which the centre is the middle.
    fn polygon(&mut self, call: &Call<'_>, at: usize) -> Answer<usize> {
        const FEW: Failure = Failure::text("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
        let corners = call.int(at).map_err(|_| Failure::text("ERR invalid number of vertices"))?;
        let corners = usize::try_from(corners).map_err(|_| FEW)?;
        let left = call.argc() - at - 1;
        if corners < 3 || corners > left / 2 {
            return Err(FEW);
        }
        let points: Vec<Point> =
            (0..corners).map(|n| point(call, at + 1 + 2 * n)).collect::<Answer<_>>()?;
        self.centre = shape::middle(&points);
        self.shape = Shape::Polygon(points);
        Ok(1 + 2 * corners)
    }

    /// The place of a member.
    fn member(&self, call: &mut Call<'a>, at: usize) -> Answer<Point> {
        let member = call.arg(at);
        let set = call.keys.get::<SortedSet>(self.source)?;
        let score = set.and_then(|set| set.score(member));
        let place = score.map(|score| Cell::of_score(score).point());
        let target = &call.env.target;
        let newer = target.product == Product::Valkey && target.version >= (9, 0);
        place.ok_or_else(|| match newer {
            true => {
                let member = String::from_utf8_lossy(member);
                Failure::said(format!("ERR member {member} does not exist"))
            }
            false => Failure::text("ERR could not decode requested zset member"),
        })
    }

    /// Holds the options against each other.
    fn complete(&mut self, call: &Call<'_>, form: Form, given: Given) -> Answer<()> {
        let shows = self.with_distance || self.with_hash || self.with_position;
        if self.store.is_some() && shows {
            let what = if form == Form::SearchStore {
                "GEOSEARCHSTORE"
            } else {
                "STORE option in GEORADIUS"
            };
            return Err(Failure::said(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if matches!(form, Form::Search | Form::SearchStore) && !given.polygon {
            let name = String::from_utf8_lossy(call.arg(0));
            if !given.member && !given.place {
                return Err(Failure::said(format!(
                    "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
                )));
            }
            if !given.circle && !given.rectangle {
                let ways = by_ways(call);
                return Err(Failure::said(format!(
                    "ERR exactly one of {ways} can be specified for {name}"
                )));
            }
        }
        if self.any && self.count == 0 {
            return Err(Failure::text("ERR the ANY argument requires COUNT argument"));
        }
        if self.count > 0 && self.order == Order::AsFound && !self.any {
            self.order = Order::Nearest;
        }
        Ok(())
    }
}

fn by_ways(call: &Call<'_>) -> &'static str {
    let target = &call.env.target;
    match target.product {
        Product::Valkey if target.version >= (9, 0) => "BYRADIUS, BYBOX and BYPOLYGON",
        _ => "BYRADIUS and BYBOX",
    }
}
