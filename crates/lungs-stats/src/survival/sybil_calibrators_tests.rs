use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<SybilCalibrators, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Random knots, equal knots included; NumPy computed `calibrated` (tests/vectors/survival/sybil_calibrators.py).
#[test]
fn every_calibrated_risk_equals_that_of_numpy() {
    #[derive(serde::Deserialize)]
    struct Vectors {
        calibrators: SybilCalibrators,
        risks: Vec<f64>,
        calibrated: Vec<Vec<f64>>,
    }
    let text = include_str!("../../tests/vectors/survival/sybil_calibrators.json");
    let Vectors { calibrators, risks, calibrated } = serde_json::from_str(text).unwrap();
    assert_eq!((calibrators.years(), calibrated.len()), (6, 6));
    for (index, expected) in calibrated.iter().enumerate() {
        for (risk, expected) in risks.iter().zip(expected) {
            let found = calibrators.calibrated(index + 1, *risk).unwrap();
            assert_eq!(found as f32, *expected as f32, "year {}, risk {risk}", index + 1);
            assert!((found - expected).abs() < 1e-15);
        }
    }
}

#[test]
fn a_risk_is_scaled_clipped_and_interpolated_and_the_list_averaged() {
    let text = r#"{"Year1": [
        {"coef": [[2.0]], "intercept": [0.1], "x0": [0.2, 0.6], "y0": [0.0, 0.4], "x_min": 0.2, "x_max": 0.5},
        {"coef": 1, "intercept": 0, "x0": [0.5], "y0": [0.1], "x_min": 0, "x_max": 1}
    ], "Year2": [{"coef": [1], "intercept": [0], "x0": [0, 0.5, 0.5, 1], "y0": [0, 0.1, 0.3, 0.3], "x_min": 0, "x_max": 1}]}"#;
    let calibrators = parse(text).unwrap();
    let year_1 = |risk| calibrators.calibrated(1, risk).unwrap();
    for (risk, expected) in [(0.0, 0.05), (0.1, 0.1), (0.9, 0.2)] {
        assert!((year_1(risk) - expected).abs() < 1e-15, "{risk}: {}", year_1(risk));
    }
    assert!(year_1(f64::NAN).is_nan());
    assert_eq!(calibrators.calibrated(2, 0.5), Some(0.3));
    assert_eq!((calibrators.calibrated(0, 0.5), calibrators.calibrated(3, 0.5)), (None, None));
    assert_eq!(calibrators.all_calibrated(&[0.0, 1.0]).unwrap(), [year_1(0.0), 0.3]);
    assert_eq!(calibrators.all_calibrated(&[0.0; 3]), None);
}

#[test]
fn impossible_files_are_errors_that_name_year_calibrator_and_key() {
    let one =
        r#"{"coef": [[1]], "intercept": [0], "x0": [0, 1], "y0": [0, 1], "x_min": 0, "x_max": 1}"#;
    let error = |from: &str, to: &str| {
        parse(&format!(r#"{{"Year1": [{one}, {}]}}"#, one.replace(from, to))).unwrap_err()
    };
    let expected =
        "Year1, calibrator 2: x0 is [1.0, 0.0], expected finite numbers in ascending order";
    assert!(error("[0, 1], \"y0\"", "[1, 0], \"y0\"").starts_with(expected));
    assert!(error("\"y0\": [0, 1]", "\"y0\": [0]").contains("y0 is [0.0], expected as many"));
    assert!(error("[[1]]", "[[1, 2]]").contains("coef is"));
    assert!(error("\"x_max\": 1", "\"x_max\": -1").contains("x_max is -1.0"));
    assert!(error("\"x_max\": 1", "\"y_max\": 1").contains("missing field `x_max`"));
    assert!(parse("{}").unwrap_err().contains("expected \"Year1\""));
    assert!(parse(r#"{"Year1": []}"#).unwrap_err().contains("Year1 has no calibrator"));
    let gap = parse(&format!(r#"{{"Year1": [{one}], "Year3": [{one}]}}"#)).unwrap_err();
    assert!(gap.contains(r#"found the years ["Year1", "Year3"]"#), "{gap}");
}

proptest! {
    /// Between its knots the polyline is linear, at them exact, and beyond them constant.
    #[test]
    fn random_knots(
        steps in prop::collection::vec((0.001f64..0.2, 0.0f64..0.2), 1..30),
        coefficient in 0.2f64..3.0,
        risk in -0.5f64..1.5,
    ) {
        let mut knots = vec![];
        let mut at = [0.05, 0.01];
        for (x, y) in steps {
            at = [at[0] + x, at[1] + y];
            knots.push(at);
        }
        let calibrator =
            Calibrator { coefficient, intercept: -0.1, range: [-10.0, 10.0], knots: knots.clone() };
        // The sum over pieces: each contributes its share that x has passed.
        let x = risk * coefficient - 0.1;
        let rise = knots.windows(2).map(|pair| {
            let share = ((x - pair[0][0]) / (pair[1][0] - pair[0][0])).clamp(0.0, 1.0);
            share * (pair[1][1] - pair[0][1])
        });
        let expected = knots[0][1] + rise.sum::<f64>();
        prop_assert!((calibrator.calibrated(risk) - expected).abs() < 1e-12);
        prop_assert!(calibrator.calibrated(risk + 0.01) >= calibrator.calibrated(risk));
        let text = serde_json::to_string(&SybilCalibrators { years: vec![vec![calibrator.clone()]] });
        let again = parse(&text.unwrap()).unwrap();
        prop_assert_eq!(&again.years[0][0], &calibrator);
    }
}
