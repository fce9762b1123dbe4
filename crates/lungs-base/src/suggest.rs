//! Suggestions for misspelt names: commands, options, keys of specs.

/// The similarity of names with one typing error: a wrong, missing, additional or swapped letter. Jaro's similarity of
/// short names with swapped letters is low: 0.56 for `rnu` and `run`.
const ONE_ERROR: f64 = 0.9;
/// Pairs of names up to this length are not compared by single errors: unrelated names of two letters often share one.
const SHORT: usize = 2;
/// The lowest similarity of a suggestion.
const LIMIT: f64 = 0.75;

/// The candidate with the spelling closest to `name`, if one is close.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (similarity(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > LIMIT)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn similarity(name: &str, candidate: &str) -> f64 {
    let similarity = strsim::jaro_winkler(name, candidate);
    let is_long = name.chars().count().max(candidate.chars().count()) > SHORT;
    if is_long && strsim::osa_distance(name, candidate) == 1 {
        similarity.max(ONE_ERROR)
    } else {
        similarity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested() {
        let commands = ["run", "train", "sweep", "score", "prepare", "predict"];
        for (name, expected) in [
            ("rnu", Some("run")),
            ("rum", Some("run")),
            ("rn", Some("run")),
            ("trian", Some("train")),
            ("predcit", Some("predict")),
            ("scores", Some("score")),
            ("deploy", None),
            ("", None),
            ("xyz", None),
        ] {
            assert_eq!(nearest(name, commands), expected, "{name}");
        }
        assert_eq!(
            nearest("learning-rate", ["learning_rate", "warmup_steps"]),
            Some("learning_rate")
        );
        assert_eq!(nearest("or", ["on", "pr"]), None);
    }
}
