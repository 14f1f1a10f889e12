//! Places: sorted sets whose scores are cells of the earth.

mod cell;
mod options;
mod search;
mod shape;

use super::sorted_sets::{Options, add_pairs};
use crate::bytes::number::parse_double_by;
use crate::engine::{Answer, Call, Failure, SortedSet, Spec};
use crate::rdb::{Product, Target};
use crate::resp::Reply;
use cell::{Cell, LATITUDES, LONGITUDES, Point, STEPS};

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("GEOADD", -5, add),
    Spec::key("GEOPOS", -2, positions),
    Spec::key("GEODIST", -4, distance),
    Spec::key("GEOHASH", -2, hashes),
    Spec::keys("GEORADIUS", -6, search::radius),
    Spec::keys("GEORADIUSBYMEMBER", -5, search::radius_by_member),
    Spec::key("GEORADIUS_RO", -6, search::radius_read_only),
    Spec::key("GEORADIUSBYMEMBER_RO", -5, search::radius_by_member_read_only),
    Spec::key("GEOSEARCH", -7, search::search),
    Spec::keys("GEOSEARCHSTORE", -8, search::search_store),
];

fn add(call: &mut Call<'_>) -> Answer {
    let mut options = Options::default();
    let mut first = 2;
    while first < call.argc() {
        match () {
            () if call.is(first, "NX") => options.nx = true,
            () if call.is(first, "XX") => options.xx = true,
            () if call.is(first, "CH") => options.ch = true,
            () => break,
        }
        first += 1;
    }
    let given = call.argc() - first;
    if given == 0 || !given.is_multiple_of(3) || (options.nx && options.xx) {
        return Err(Failure::SYNTAX);
    }
    let mut pairs = Vec::with_capacity(given / 3);
    for at in (first..call.argc()).step_by(3) {
        let point = point(call, at)?;
        pairs.push((Cell::of(point, STEPS).scores().0, call.arg(at + 2)));
    }
    add_pairs(call, &pairs, options)
}

/// The place that two arguments are.
fn point(call: &Call<'_>, at: usize) -> Answer<Point> {
    let longitude = number(call, at, Failure::NOT_A_FLOAT)?;
    let latitude = number(call, at + 1, Failure::NOT_A_FLOAT)?;
    let inside = (LONGITUDES.0..=LONGITUDES.1).contains(&longitude)
        && (LATITUDES.0..=LATITUDES.1).contains(&latitude);
    if !inside {
        return Err(Failure::said(format!(
            "ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
        )));
    }
    Ok(Point { longitude, latitude })
}

/// An argument as a double; what is none is `wrong`.
fn number(call: &Call<'_>, at: usize, wrong: Failure) -> Answer<f64> {
    let number = parse_double_by(call.arg(at), call.env.double_rules());
    number.filter(|n| !n.is_nan()).ok_or(wrong)
}

/// How many metres a unit is.
fn unit(call: &Call<'_>, at: usize) -> Answer<f64> {
    match () {
        () if call.is(at, "M") => Ok(1.0),
        () if call.is(at, "KM") => Ok(1000.0),
        () if call.is(at, "FT") => Ok(0.3048),
        () if call.is(at, "MI") => Ok(1609.34),
        () => Err(Failure::text("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// The places of the members from the third argument on.
fn places(call: &mut Call<'_>) -> Answer<Vec<Option<Point>>> {
    let members = call.rest(2);
    let set = call.keys.get::<SortedSet>(call.arg(1))?;
    let one = |member: &&[u8]| {
        let score = set.as_ref().and_then(|set| set.score(member))?;
        Some(Cell::of_score(score).point())
    };
    Ok(members.iter().map(one).collect())
}

fn positions(call: &mut Call<'_>) -> Answer {
    let places = places(call)?;
    let target = &call.env.target;
    let one = |place: Option<Point>| place.map_or(Reply::NilArray, |p| position(p, target));
    Ok(Reply::Array(places.into_iter().map(one).collect()))
}

/// A place as it is answered.
fn position(point: Point, target: &Target) -> Reply {
    let text = |degrees| coordinate(degrees, target);
    Reply::Array(vec![text(point.longitude), text(point.latitude)])
}

/// A coordinate as it is answered: 17 decimals without zeros behind, or the shortest form.
fn coordinate(degrees: f64, target: &Target) -> Reply {
    if target.product == Product::Redis && target.version >= (8, 0) {
        return Reply::bulk(target.score_text().reply(degrees).as_bytes());
    }
    let text = format!("{degrees:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Reply::bulk(if text == "-0" { "0" } else { text })
}

fn distance(call: &mut Call<'_>) -> Answer {
    let metres = match call.argc() {
        4 => 1.0,
        5 => unit(call, 4)?,
        _ => return Err(Failure::SYNTAX),
    };
    let (one, other) = (call.arg(2), call.arg(3));
    let set = call.keys.get::<SortedSet>(call.arg(1))?;
    let scores = set.and_then(|set| Some((set.score(one)?, set.score(other)?)));
    let Some((one, other)) = scores else { return Ok(Reply::Nil) };
    let far = shape::distance(Cell::of_score(one).point(), Cell::of_score(other).point());
    Ok(distance_reply(far / metres, &call.env.target))
}

/// A distance as it is answered, with four decimals.
fn distance_reply(distance: f64, target: &Target) -> Reply {
    if !target.has_packed_lists() {
        return Reply::bulk(format!("{distance:.4}"));
    }
    // Since 7.2 the digits are those of a whole number of ten thousandths.
    let parts = (distance * 10_000.0).round_ties_even() as i64;
    Reply::bulk(format!("{}.{:04}", parts / 10_000, parts % 10_000))
}

fn hashes(call: &mut Call<'_>) -> Answer {
    let places = places(call)?;
    let one = |place: Option<Point>| place.map_or(Reply::Nil, hash);
    Ok(Reply::Array(places.into_iter().map(one).collect()))
}

/// The standard geohash of a place: eleven characters, the last of which the bits do not reach.
fn hash(point: Point) -> Reply {
    const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let cell = Cell::within(point, STEPS, (-90.0, 90.0));
    let digit = |place: u32| {
        let index = if place == 11 { 0 } else { cell.bits >> (52 - place * 5) & 0x1f };
        DIGITS.get(index as usize).copied().unwrap_or(b'0')
    };
    Reply::Bulk((1..=11).map(digit).collect())
}
