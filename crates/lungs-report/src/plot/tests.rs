//! Properties of all plots, on ordinary and on degenerate data. Plots are written to the folder
//! `LUNGS_PLOTS` for visual inspection.

use super::*;
use crate::survival::kaplan_meier_rows;
use crate::survival::testing::evaluated;
use lungs_stats::{
    Curves, Options, RiskMapMethod, RocPoint, ScoredExam, auc_with_interval, evaluate,
    evaluate_with_curves, roc,
};

fn scores(count: usize, separation: f64) -> (Vec<f64>, Vec<bool>) {
    // A low-discrepancy walk through the logistic quantiles: smooth, seedless, reproducible.
    let labels: Vec<bool> = (0..count).map(|i| i % 5 == 0).collect();
    let logits = labels
        .iter()
        .enumerate()
        .map(|(i, &label)| {
            let u = ((i as f64 + 1.0) * 0.618_033_988_749_895).fract().clamp(0.001, 0.999);
            (u / (1.0 - u)).ln() + if label { separation } else { 0.0 } - 1.0
        })
        .collect();
    (logits, labels)
}

fn rare_scores(count: usize) -> (Vec<f64>, Vec<bool>) {
    let (logits, _) = scores(count, 0.0);
    let labels: Vec<bool> = (0..count).map(|i| i % 77 == 0).collect();
    let shift = |label: bool| if label { -2.0 } else { -3.9 };
    let logits = logits.iter().zip(&labels).map(|(z, &label)| z + shift(label)).collect();
    (logits, labels)
}

fn named_roc(name: &str, logits: &[f64], labels: &[bool]) -> NamedRoc {
    let area = auc_with_interval(logits, labels, None, 0.95);
    NamedRoc {
        name: name.to_owned(),
        points: roc(logits, labels),
        band: Vec::new(),
        auc: area.value,
        interval: area.interval,
        positives: labels.iter().filter(|&&label| label).count(),
        negatives: labels.iter().filter(|&&label| !label).count(),
    }
}

fn probability(logit: &f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

fn exams(logits: &[f64], labels: &[bool]) -> Vec<ScoredExam> {
    let exam = |(i, (logit, &label)): (usize, (&f64, &bool))| ScoredExam {
        patient_id: i.to_string(),
        exam_id: i.to_string(),
        label,
        logit: *logit,
        probability: probability(logit),
    };
    logits.iter().zip(labels).enumerate().map(exam).collect()
}

fn calibration_of(logits: &[f64], labels: &[bool]) -> lungs_stats::Calibration {
    let options = Options { bootstrap_replicates: 0, ..Options::default() };
    evaluate(&exams(logits, labels), &options).calibration
}

/// The curves of ordinary predictions, with bands and legends.
fn curves(name: &str, logits: &[f64], labels: &[bool]) -> (NamedRoc, NamedPrecisionRecall, Curves) {
    let exams = exams(logits, labels);
    let options = Options { bootstrap_replicates: 200, ..Options::default() };
    let (metrics, curves) = evaluate_with_curves(&exams, &options);
    let band = NamedRoc { band: curves.roc_band.clone(), ..named_roc(name, logits, labels) };
    let precision = NamedPrecisionRecall {
        name: name.to_owned(),
        points: curves.precision_recall.clone(),
        band: curves.precision_band.clone(),
        average_precision: metrics.average_precision,
        prevalence: metrics.positives as f64 / metrics.exams as f64,
    };
    (band, precision, curves)
}

fn losses(count: u32) -> Vec<EpochLoss> {
    (1..=count)
        .map(|epoch| {
            let t = f64::from(epoch);
            let train = 0.75 * (-t / 9.0).exp() + 0.08 + 0.02 * (t * 2.3).sin();
            let valid = 0.6 * (-t / 6.0).exp() + 0.33 + 0.004 * t + 0.03 * (t * 1.7).sin();
            EpochLoss { epoch, train: Some(train), valid: Some(valid) }
        })
        .collect()
}

fn rankings(count: u32) -> Vec<EpochRanking> {
    (1..=count)
        .map(|epoch| {
            let t = f64::from(epoch);
            let auc = 0.92 - 0.4 * (-t / 5.0).exp() + 0.015 * (t * 1.3).sin();
            EpochRanking {
                epoch,
                auc: Some(auc),
                auc_low: Some(auc - 0.07),
                auc_high: Some((auc + 0.05).min(1.0)),
                accuracy: Some(0.86 - 0.3 * (-t / 4.0).exp() + 0.02 * (t * 2.1).cos()),
            }
        })
        .collect()
}

/// Every plot on ordinary and on degenerate data: name, plot, and a text that it must contain.
pub(super) fn gallery() -> Vec<(&'static str, Drawing, &'static str)> {
    let long =
        "focal-gamma-2-alpha-0.75-slices-220-keep-prob-0.7-learning-rate-5e-5-seed-37-fold-3";
    let (strong, labels) = scores(400, 2.6);
    let (middling, _) = scores(400, 1.4);
    let (weak, _) = scores(400, 0.2);
    let one_class = vec![false; 400];
    let probabilities: Vec<f64> = strong.iter().map(probability).collect();
    let mut gaps = losses(24);
    gaps[5].valid = None;
    gaps[11].train = Some(f64::NAN);
    gaps[13].train = None;
    let mut ranking_gaps = rankings(24);
    ranking_gaps[7] = EpochRanking { auc: None, ..ranking_gaps[7] };
    for ranking in &mut ranking_gaps[12..14] {
        (ranking.auc, ranking.auc_low, ranking.auc_high) = (None, None, None);
    }
    let undefined: Vec<EpochRanking> = rankings(8)
        .into_iter()
        .map(|e| EpochRanking { auc: None, auc_low: None, auc_high: None, ..e })
        .collect();
    let overlay = [
        named_roc("baseline", &strong, &labels),
        named_roc(long, &middling, &labels),
        named_roc("random initialisation", &weak, &labels),
    ];
    let many: Vec<NamedRoc> = (0..11)
        .map(|i| {
            named_roc(&format!("fold {i}"), &scores(300, 0.3 * f64::from(i)).0, &scores(300, 0.0).1)
        })
        .collect();
    let loss = "Cross-entropy (nats per exam)";
    let (band, precision, plain) = curves("validation", &strong, &labels);
    let (band_test, precision_test, _) = curves("test", &middling, &labels);
    let (_, no_precision, _) = curves("validation", &strong, &one_class);
    // One exam in 77 is positive.
    let (rare, rare_labels) = rare_scores(2000);
    let rare_probabilities: Vec<f64> = rare.iter().map(probability).collect();
    let (_, _, rare_curves) = curves("test", &rare, &rare_labels);
    let group = |name: &str, auc: Option<f64>| ForestRow {
        name: name.to_owned(),
        counts: auc.map_or(String::new(), |_| "80 / 320".to_owned()),
        estimate: auc.map(|_| auc_with_interval(&middling, &labels, None, 0.95)),
    };
    let groups = [
        group("manufacturer", None),
        group("A manufacturer with a rather long name", Some(0.8)),
        group("sex", None),
        group("female", Some(0.8)),
        group("male", Some(0.8)),
    ];
    let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let flow = Flow {
        steps: vec![
            FlowStep {
                lines: lines(&["431 series found", "of 415 patients"]),
                excluded: lines(&[
                    "12 excluded before preparation",
                    "9 for a reason whose description is too long for one line of the box",
                    "3 no label",
                ]),
            },
            FlowStep { lines: lines(&["419 exams included"]), excluded: Vec::new() },
        ],
        branches: ["Training", "Validation", "Test"]
            .iter()
            .map(|split| lines(&[split, "139 exams", "of 130 patients", "70 with cancer"]))
            .collect(),
    };
    let years = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let (risks, mut evaluation) = evaluated(400, &years);
    let by_year = |name: &str| YearSeries {
        name: name.to_owned(),
        points: evaluation
            .horizons
            .iter()
            .map(|it| (it.horizon_years, it.auc.to_estimate()))
            .collect(),
    };
    let by_years = [by_year("validation"), by_year("test")];
    let steps = kaplan_meier_rows(&risks.outcomes, &risks.table, 0.95);
    let table = risks.calibrated(&risks.calibrator(RiskMapMethod::Platt).unwrap()).unwrap();
    let own = risk_calibration_panels("survival, epoch 9", &evaluation);
    evaluation = risks.evaluate(Some(("platt".into(), "validation".into(), &table))).unwrap();
    let (nobody, no_evaluation) = evaluated(0, &[1.0]);
    let no_steps = kaplan_meier_rows(&nobody.outcomes, &nobody.table, 0.95);
    let concordance = |epoch: u32| EpochConcordance {
        epoch,
        c_index: Some(0.5 + 0.02 * f64::from(epoch)),
        low: Some(0.44 + 0.02 * f64::from(epoch)),
        high: Some(0.57 + 0.02 * f64::from(epoch)),
        aucs: [Some(0.55 + 0.02 * f64::from(epoch)), None],
    };
    let concordances: Vec<EpochConcordance> = (1..=12).map(concordance).collect();
    let horizons = ["1 year", "6 years"];
    vec![
        ("years", auc_by_year("survival, epoch 9", &by_years), "validation"),
        ("years-none", auc_by_year("nothing", &[]), "AUC undefined at every horizon"),
        ("observed-risk", observed_risk_curves("survival, epoch 9", &steps), "middle risk"),
        (
            "observed-risk-none",
            observed_risk_curves("nothing", &no_steps),
            "no exam with follow-up",
        ),
        ("risk-calibration", own, "6 years: O/E"),
        (
            "risk-calibration-two",
            risk_calibration_panels("survival, epoch 9", &evaluation),
            "after recalibration",
        ),
        (
            "risk-calibration-none",
            risk_calibration_panels("nothing", &no_evaluation),
            "observed risk undefined",
        ),
        ("c-index", c_index_curves("survival", horizons, &concordances, Some(9)), "AUC, 6 years"),
        ("c-index-one", c_index_curves("one", ["1 year"; 2], &concordances[..1], None), "95% CI"),
        ("c-index-none", c_index_curves("nothing", horizons, &[], None), "C-index undefined"),
        ("forest", forest("baseline, epoch 14", "AUC (95% CI)", Some(0.81), &groups), "all 0.810"),
        ("forest-none", forest("nothing", "AUC (95% CI)", None, &[]), "AUC (95% CI)"),
        ("flow", flow_diagram("baseline: study cohort", &flow), "Validation"),
        ("flow-none", flow_diagram("nothing", &Flow::default()), "nothing"),
        ("roc-band", roc_curves("baseline, epoch 14", &[band, band_test]), "validation"),
        (
            "precision-recall",
            precision_recall_curves("baseline, epoch 14", std::slice::from_ref(&precision)),
            "chance",
        ),
        (
            "precision-recall-two",
            precision_recall_curves("baseline, epoch 14", &[precision, precision_test]),
            "average precision (95% CI)",
        ),
        (
            "precision-recall-undefined",
            precision_recall_curves("one class", &[no_precision]),
            "precision undefined: no positive exams",
        ),
        ("decision", decision_curve("baseline, epoch 14", &plain.decision), "treat all"),
        ("rare-decision", decision_curve("rare", &rare_curves.decision), "treat all"),
        (
            "rare-calibration",
            calibration("rare", &calibration_of(&rare, &rare_labels), &rare_probabilities),
            "Brier score 0.01",
        ),
        ("rare-histogram", score_histogram("rare", &rare_probabilities, &rare_labels), "0.001"),
        (
            "decision-undefined",
            decision_curve("one class", &[]),
            "net benefit undefined: one class only",
        ),
        ("loss", loss_curves("baseline", loss, &losses(37), Some(14)), "selected: epoch 14"),
        (
            "loss-one-epoch",
            loss_curves("one epoch", loss, &losses(1), Some(1)),
            "selected: epoch 1",
        ),
        (
            "loss-200",
            loss_curves("200 epochs", loss, &losses(200), Some(200)),
            "selected: epoch 200",
        ),
        ("loss-gaps", loss_curves(long, loss, &gaps, None), "validation"),
        ("loss-none", loss_curves("nothing", loss, &[], None), "no loss recorded"),
        ("auc", auc_accuracy_curves("baseline", "95% CI", &rankings(37), Some(30)), "AUC 95% CI"),
        ("auc-one-epoch", auc_accuracy_curves("one", "95% CI", &rankings(1), Some(1)), "accuracy"),
        ("auc-200", auc_accuracy_curves("200", "95% CI", &rankings(200), Some(2)), "Epoch"),
        ("auc-gaps", auc_accuracy_curves("gaps", "95% CI", &ranking_gaps, Some(20)), "AUC"),
        (
            "auc-undefined",
            auc_accuracy_curves("one class", "95% CI", &undefined, None),
            "AUC undefined: one class only",
        ),
        ("roc", roc_curves("baseline, epoch 14", &overlay[..1]), "AUC (95% CI)"),
        ("roc-overlay", roc_curves("Three runs on the same exams", &overlay), "baseline"),
        ("roc-many", roc_curves("Eleven folds", &many), "fold 10"),
        (
            "roc-undefined",
            roc_curves("one class", &[named_roc("run", &strong, &one_class)]),
            "AUC undefined: one class only",
        ),
        ("roc-none", roc_curves("nothing", &[]), "no curve to show"),
        (
            "calibration",
            calibration("baseline, epoch 14", &calibration_of(&strong, &labels), &probabilities),
            "Brier score",
        ),
        (
            "calibration-few",
            calibration(
                "four exams",
                &calibration_of(&strong[..4], &labels[..4]),
                &probabilities[..4],
            ),
            "Brier score",
        ),
        (
            "calibration-none",
            calibration("nothing", &calibration_of(&[], &[]), &[]),
            "calibration undefined: no usable predictions",
        ),
        (
            "histogram",
            score_histogram("baseline, epoch 14", &probabilities, &labels),
            "cancer (n = 80)",
        ),
        (
            "histogram-one-class",
            score_histogram("one class", &probabilities, &one_class),
            "cancer (n = 0)",
        ),
        (
            "histogram-none",
            score_histogram("nothing", &[f64::NAN], &[true]),
            "no usable predictions",
        ),
    ]
}

/// Checks that tags are balanced and every text is escaped, and returns the texts. The subset of
/// XML that the pictures use: elements with double-quoted attributes, and text.
fn texts_of_well_formed(svg: &str) -> Vec<String> {
    let (mut open, mut texts, mut rest) = (Vec::new(), Vec::new(), svg);
    while let Some(start) = rest.find('<') {
        let text = rest[..start].trim();
        if !text.is_empty() {
            assert!(!open.is_empty() && !text.contains('>'), "stray text {text:?}");
            for entity in text.split('&').skip(1) {
                assert!(
                    ["amp;", "lt;", "gt;", "quot;", "apos;"].iter().any(|e| entity.starts_with(e))
                );
            }
            texts.push(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
        }
        let end = start + rest[start..].find('>').expect("a tag is closed");
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes pair up in {tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "tags nest");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty());
    texts
}

#[test]
fn every_plot_is_repeatable_well_formed_and_has_its_text() {
    let (first, second) = (gallery(), gallery());
    for ((name, drawing, expected), (_, again, _)) in first.iter().zip(&second) {
        assert!(drawing == again, "{name} differs between two drawings");
        let texts = texts_of_well_formed(&drawing.svg);
        assert!(
            texts.iter().any(|text| text == expected || text.starts_with(expected)),
            "{name}: {texts:?}"
        );
        assert!(!drawing.svg.contains("NaN") && !drawing.svg.contains("inf,"), "{name}");
        let mut reader = png::Decoder::new(std::io::Cursor::new(&drawing.png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let size = format!("width=\"{}\" height=\"{}\"", info.width / 2, info.height / 2);
        assert!(drawing.svg.contains(&size), "{name}: PNG of {} × {}", info.width, info.height);
        assert!(pixels.iter().any(|&value| value < 0x80), "{name}: nothing is drawn");
        if let Some(folder) = std::env::var_os("LUNGS_PLOTS") {
            let path = std::path::Path::new(&folder).join(name);
            std::fs::write(path.with_extension("svg"), &drawing.svg).unwrap();
            std::fs::write(path.with_extension("png"), &drawing.png).unwrap();
        }
    }
}

#[test]
fn names_are_escaped_and_shortened() {
    let curve = NamedRoc {
        name: "a < b & \"c\"\u{7}".to_owned(),
        ..named_roc("", &[0.0, 1.0], &[false, true])
    };
    let texts = texts_of_well_formed(&roc_curves("<script>", &[curve]).svg);
    assert!(texts.contains(&"<script>".to_owned()));
    assert!(texts.iter().any(|text| text.starts_with("a < b & ")));
    let long = "x".repeat(400);
    let fitted = scene::fit(&long, 100.0, 12.0, false);
    assert!(fitted.contains('…') && scene::text_width(&fitted, 12.0, false) <= 100.0);
    assert_eq!(scene::fit("short", 100.0, 12.0, false), "short");
    assert_eq!(scene::fit("short", 0.0, 12.0, false), "");
}

#[test]
fn ticks_are_round_and_epochs_whole() {
    let labels =
        |ticks: Vec<frame::Tick>| -> Vec<String> { ticks.into_iter().map(|t| t.label).collect() };
    assert_eq!(labels(frame::ticks(0.0, 1.0, 5)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    assert_eq!(labels(frame::ticks(-0.03, 0.05, 4)), ["-0.02", "0.00", "0.02", "0.04"]);
    assert_eq!(labels(frame::ticks(3.0, 3.0, 4)), ["3.00"]);
    assert_eq!(labels(frame::whole_ticks(1, 4)), ["1", "2", "3", "4"]);
    assert_eq!(labels(frame::whole_ticks(1, 37)), ["5", "10", "15", "20", "25", "30", "35"]);
    assert_eq!(labels(frame::whole_ticks(1, 1)), ["1"]);
    assert_eq!(labels(frame::whole_ticks(1, 200)).len(), 10);
}

#[test]
fn a_curve_through_unusable_points_does_not_break_the_picture() {
    let point = RocPoint { threshold: 0.0, false_positive_rate: f64::NAN, true_positive_rate: 0.5 };
    let curve = NamedRoc {
        band: Vec::new(),
        name: "odd".to_owned(),
        points: vec![point; 3],
        auc: None,
        interval: None,
        positives: 0,
        negatives: 0,
    };
    assert!(!roc_curves("odd", &[curve]).svg.contains("NaN"));
}
