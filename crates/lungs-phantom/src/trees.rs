//! Branching trees that fill a lung, for airways and vessels.
//!
//! Space-filling growth after Tawhai, Pullan & Hunter (Annals of Biomedical Engineering 28, 2000):
//! a plane through a branch splits its points in two, and a child grows part of the way to the centroid
//! of each half, until one point is left. Radii follow Murray's law with an exponent of about 2.7: the
//! radius of a branch with `n` terminals is `r_terminal · n^(1/2.7)`.

use rand::{Rng, RngExt};

use super::anatomy::Body;
use super::shapes::{Point, Tube, add, cross, dot, scale, subtract, unit};
use super::side::Side;

/// Start of a tree, and radius of its terminal branches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    pub start: Point,
    pub direction: Point,
    pub terminal_radius: f32,
}

/// Uniform random points in one lung, `margin` mm inside its border. Fewer than `count`, or none, if the
/// lung is very small.
pub(super) fn lung_points(
    random: &mut impl Rng,
    body: &Body,
    side: Side,
    margin: f32,
    count: usize,
) -> Vec<Point> {
    let [width, depth, _] = body.cavity.semi;
    let (low, high) = (body.floor_z(), body.apex_z());
    let mut points = Vec::with_capacity(count);
    for _ in 0..count * 40 {
        if points.len() == count {
            break;
        }
        let p = [
            side.sign() * random.random_range(0.0..width),
            random.random_range(-depth..depth),
            random.random_range(low..high),
        ];
        if body.lung_distance(p) < -margin {
            points.push(p);
        }
    }
    points
}

/// Grows a tree from `root` to all `points`.
pub(super) fn grow(root: Root, mut points: Vec<Point>) -> Vec<Tube> {
    let mut tubes = Vec::with_capacity(2 * points.len());
    if !points.is_empty() {
        let sideways = cross(root.direction, [0.3, 0.9, 0.3]);
        branch(
            root.start,
            unit(root.direction),
            unit(sideways),
            root.terminal_radius,
            &mut points,
            &mut tubes,
        );
    }
    tubes
}

fn radius(terminal: f32, supplied: usize) -> f32 {
    terminal * (supplied as f32).powf(1.0 / 2.7)
}

fn centroid(points: &[Point]) -> Point {
    scale(points.iter().fold([0.0; 3], |sum, p| add(sum, *p)), 1.0 / points.len() as f32)
}

fn branch(
    from: Point,
    direction: Point,
    last_normal: Point,
    terminal: f32,
    points: &mut [Point],
    tubes: &mut Vec<Tube>,
) {
    let start_radius = radius(terminal, points.len());
    if let [target] = points {
        tubes.push(Tube::new(from, *target, start_radius, start_radius * 0.6));
        return;
    }
    let center = centroid(points);
    let to_center = unit(subtract(center, from));
    // The planes of successive forks are perpendicular, as in bronchi.
    let normal = unit(cross(unit(add(direction, to_center)), last_normal));
    let offset = |p: &Point| dot(subtract(*p, center), normal);
    points.sort_unstable_by(|a, b| offset(a).total_cmp(&offset(b)));
    let middle = points.iter().filter(|p| offset(p) < 0.0).count().clamp(1, points.len() - 1);
    let (near, far) = points.split_at_mut(middle);
    for half in [near, far] {
        let vector = subtract(centroid(half), from);
        let share = if half.len() == 1 { 0.6 } else { 0.42 };
        let to = add(from, scale(vector, share));
        tubes.push(Tube::new(
            from,
            to,
            radius(terminal, half.len()).min(start_radius),
            radius(terminal, half.len()) * 0.93,
        ));
        branch(to, unit(vector), normal, terminal, half, tubes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lungs_base::random::stream;

    #[test]
    fn a_tree_reaches_every_point_and_tapers() {
        let body = Body::sample(&mut stream(1, "tree"), false);
        let points = lung_points(&mut stream(1, "points"), &body, Side::Left, 2.0, 200);
        assert_eq!(points.len(), 200);
        let root =
            Root { start: [30.0, 0.0, -10.0], direction: [1.0, 0.0, -0.3], terminal_radius: 0.5 };
        let tubes = grow(root, points.clone());
        for point in &points {
            assert!(tubes.iter().any(|tube| tube.to == *point));
        }
        assert!(tubes.iter().all(|tube| tube.to_radius <= tube.from_radius));
        let thick = tubes.iter().map(Tube::widest).fold(0.0, f32::max);
        assert!((2.0..4.5).contains(&thick), "{thick}");
    }

    #[test]
    fn an_absent_lung_has_no_tree() {
        let mut body = Body::sample(&mut stream(1, "tree"), false);
        body.opaque = Some(Side::Right);
        assert!(lung_points(&mut stream(1, "points"), &body, Side::Right, 2.0, 50).is_empty());
    }
}
