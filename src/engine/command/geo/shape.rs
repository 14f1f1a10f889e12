//! What is searched: circles, boxes and polygons on a sphere, and the cells that cover them.
//!
//! A search looks at the cell of its centre and the eight around it, in an order that shows in
//! answers that are not sorted. The cells are as small as covers the shape.

use super::cell::{Cell, Point};

/// The radius of the earth, in metres.
const RADIUS: f64 = 6_372_797.560_856;
/// Half the way around the map, in metres.
const MERCATOR: f64 = 20_037_726.37;

/// A shape around a centre; lengths in metres.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
    Polygon(Vec<Point>),
}

/// The distance of two places, in metres.
pub(super) fn distance(one: Point, other: Point) -> f64 {
    let v = ((other.longitude.to_radians_c() - one.longitude.to_radians_c()) / 2.0).sin();
    if v == 0.0 {
        return height(one.latitude, other.latitude);
    }
    let (lat1, lat2) = (one.latitude.to_radians_c(), other.latitude.to_radians_c());
    let u = ((lat2 - lat1) / 2.0).sin();
    2.0 * RADIUS * (u * u + lat1.cos() * lat2.cos() * v * v).sqrt().asin()
}

/// The distance of two latitudes, in metres.
fn height(one: f64, other: f64) -> f64 {
    RADIUS * (other.to_radians_c() - one.to_radians_c()).abs()
}

/// Degrees and radians by the one factor that the servers use.
trait Angle {
    fn to_radians_c(self) -> f64;
    fn to_degrees_c(self) -> f64;
}

impl Angle for f64 {
    fn to_radians_c(self) -> f64 {
        self * (std::f64::consts::PI / 180.0)
    }

    fn to_degrees_c(self) -> f64 {
        self / (std::f64::consts::PI / 180.0)
    }
}

/// A box in degrees.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    west: f64,
    south: f64,
    east: f64,
    north: f64,
}

impl Shape {
    /// How far a place is from the centre, if it is inside.
    pub(super) fn holds(&self, centre: Point, place: Point) -> Option<f64> {
        match self {
            Shape::Circle { radius } => Some(distance(centre, place)).filter(|far| far <= radius),
            Shape::Box { width, height: tall } => {
                if height(place.latitude, centre.latitude) > tall / 2.0 {
                    return None;
                }
                let beside = Point { longitude: centre.longitude, ..place };
                let inside = distance(place, beside) <= width / 2.0;
                inside.then(|| distance(centre, place))
            }
            Shape::Polygon(corners) => inside(corners, place).then(|| distance(centre, place)),
        }
    }

    /// The cells that may have places of the shape, in the order in which they are looked at.
    pub(super) fn cells(&self, centre: Point) -> Vec<Cell> {
        let bounds = self.bounds(centre);
        let mut step = steps(self.reach(centre, bounds), centre.latitude);
        let mut cell = Cell::of(centre, step);
        let (north, south) = (cell.neighbour(0, 1).edges(), cell.neighbour(0, -1).edges());
        let (east, west) = (cell.neighbour(1, 0).edges(), cell.neighbour(-1, 0).edges());
        let too_small = north.latitude.1 < bounds.north
            || south.latitude.0 > bounds.south
            || east.longitude.1 < bounds.east
            || west.longitude.0 > bounds.west;
        if step > 1 && too_small {
            step -= 1;
            cell = Cell::of(centre, step);
        }
        let edges = cell.edges();
        let useless = |east: i8, north: i8| {
            step >= 2
                && ((north < 0 && edges.latitude.0 < bounds.south)
                    || (north > 0 && edges.latitude.1 > bounds.north)
                    || (east < 0 && edges.longitude.0 < bounds.west)
                    || (east > 0 && edges.longitude.1 > bounds.east))
        };
        let mut cells = Vec::with_capacity(9);
        for (east, north) in AROUND {
            let next = cell.neighbour(east, north);
            // Of few cells several neighbours are the same one. The server remembers the last
            // one that it looked at, unless that was the first.
            let again = cells.len() > 1 && cells.last() == Some(&next);
            if !useless(east, north) && !again {
                cells.push(next);
            }
        }
        cells
    }

    /// The box around the shape. Of a circle or box it is as wide as the shape is at its edge
    /// nearer to the equator in the south, nearer to the pole in the north.
    fn bounds(&self, centre: Point) -> Bounds {
        let (width, tall) = match self {
            Shape::Circle { radius } => (*radius, *radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
            Shape::Polygon(corners) => {
                let none = Bounds { west: 180.0, south: 90.0, east: -180.0, north: -90.0 };
                return corners.iter().fold(none, |all, corner| Bounds {
                    west: all.west.min(corner.longitude),
                    south: all.south.min(corner.latitude),
                    east: all.east.max(corner.longitude),
                    north: all.north.max(corner.latitude),
                });
            }
        };
        let up = (tall / RADIUS).to_degrees_c();
        let at = if centre.latitude < 0.0 { centre.latitude - up } else { centre.latitude + up };
        let aside = (width / RADIUS / at.to_radians_c().cos()).to_degrees_c();
        Bounds {
            west: centre.longitude - aside,
            south: centre.latitude - up,
            east: centre.longitude + aside,
            north: centre.latitude + up,
        }
    }

    /// How far its farthest corner is, in metres.
    fn reach(&self, centre: Point, bounds: Bounds) -> f64 {
        match self {
            Shape::Circle { radius } => *radius,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
            Shape::Polygon(_) => {
                let corner = |longitude, latitude| distance(centre, Point { longitude, latitude });
                let north =
                    corner(bounds.west, bounds.north).max(corner(bounds.east, bounds.north));
                let south =
                    corner(bounds.west, bounds.south).max(corner(bounds.east, bounds.south));
                north.max(south)
            }
        }
    }
}

/// The cell itself, and those around it: steps to the east and to the north.
const AROUND: [(i8, i8); 9] =
    [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// The bits of each coordinate with which nine cells cover so many metres.
fn steps(metres: f64, latitude: f64) -> u32 {
    if metres == 0.0 {
        return super::cell::STEPS;
    }
    let (mut metres, mut step) = (metres, 1_i32);
    while metres < MERCATOR {
        metres *= 2.0;
        step += 1;
    }
    step -= 2;
    if latitude.abs() > 66.0 {
        step -= 1;
        if latitude.abs() > 80.0 {
            step -= 1;
        }
    }
    step.clamp(1, super::cell::STEPS as i32) as u32
}

/// The middle of some places: the direction of their mean in space, as seen from the middle of the earth.
pub(super) fn middle(places: &[Point]) -> Point {
    // The sum does as well as the mean: what counts is where it points.
    let (mut x, mut y, mut z) = (0.0_f64, 0.0_f64, 0.0_f64);
    for place in places {
        let (lat, lon) = (place.latitude.to_radians_c(), place.longitude.to_radians_c());
        x += lat.cos() * lon.cos();
        y += lat.cos() * lon.sin();
        z += lat.sin();
    }
    Point {
        longitude: y.atan2(x).to_degrees_c(),
        latitude: z.atan2((x * x + y * y).sqrt()).to_degrees_c(),
    }
}

/// Whether a ray from the place to the east crosses the border an odd number of times.
fn inside(corners: &[Point], place: Point) -> bool {
    let Some(&last) = corners.last() else { return false };
    let mut before = last;
    let mut inside = false;
    for &corner in corners {
        let (a, b) = (corner, before);
        if (a.latitude > place.latitude) != (b.latitude > place.latitude) {
            let part = (place.latitude - a.latitude) / (b.latitude - a.latitude);
            if place.longitude < (b.longitude - a.longitude) * part + a.longitude {
                inside = !inside;
            }
        }
        before = corner;
    }
    inside
}
