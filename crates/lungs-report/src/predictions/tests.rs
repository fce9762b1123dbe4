use super::*;
use lungs_spec::spec::Bands;

fn read(text: &str, requested: &RequestedColumns) -> Result<PredictionTable, PredictionsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    std::fs::write(&path, text).unwrap();
    PredictionTable::read(&path, requested)
}

fn table(text: &str) -> PredictionTable {
    read(text, &RequestedColumns::default()).unwrap()
}

#[test]
fn separators_marks_and_empty_rows_do_not_matter() {
    let plain = table("exam,label,probability\nA,0,0.25\nB,1,0.5\n");
    for text in [
        "\u{feff}exam;label;probability\r\nA;0;0.25\r\nB;1;0.5\r\n",
        "exam\tlabel\tprobability\nA\t0\t0.25\n\nB\t1.0\t0.5\n\t\t\n",
        "sep=;\nprobability;exam_id;label;;\n0.25;A;0;;\n0.5; B ;1;;\n",
    ] {
        let other = table(text);
        assert_eq!(other.exams[0].label, plain.exams[0].label);
        assert_eq!(other.exams[1].exam_id, "B");
        assert_eq!(other.models[0].probabilities, plain.models[0].probabilities, "{text}");
        assert_eq!(other.models[0].name, "table");
    }
    assert_eq!(plain.models[0].scores, [(0.25f64 / 0.75).ln(), 0.0]);
    assert!(!plain.names_patients && plain.names_exams);
    // Without patients, every exam is a patient; without exams, they are named by their lines.
    assert_ne!(plain.exams[0].patient_id, plain.exams[1].patient_id);
    assert_eq!(table("label,score\n0,1\n1,2\n").exams[1].exam_id, "3");
}

#[test]
fn columns_with_a_common_name_are_one_model() {
    let text =
        "label,score_b,probability_a,logit_a,scores,score_\n0,3,0.5,0,x,y\n1,4,0.731,1.0,x,y\n";
    let table = table(text);
    let names: Vec<&str> = table.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(table.models[0].probabilities, None);
    assert_eq!(table.models[1].columns, ["probability_a", "logit_a"]);
    assert_eq!(table.models[1].scores, [0.0, 1.0]);
    let requested = RequestedColumns {
        probabilities: vec!["probability_a".into()],
        scores: vec!["logit_a".into(), "score_b".into()],
        groups: vec![SubgroupBy::Bands(Bands { column: "score_b".into(), edges: vec![3.5] })],
    };
    let named = read(text, &requested).unwrap();
    let names: Vec<&str> = named.models.iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["probability_a", "logit_a", "score_b"]);
    // The probability of log-odds of 1, by hand: 1 / (1 + e⁻¹).
    let of_logit = named.models[1].probabilities.as_ref().unwrap()[1];
    assert!((of_logit - 0.731_058_578_630_004_9).abs() < 1e-15);
    assert_eq!(named.groupings[0].of, [Some(0), Some(1)]);
}

#[test]
fn rounded_probabilities_agree_with_their_log_odds() {
    for (p, logit) in [
        ("0.73", "1"),
        ("0.731", "1.0"),
        ("0.73105858", "1.0"),
        ("7.3e-1", "1.00"),
        ("0", "-9.2"),
        ("1", "12.5"),
        ("0.0001", "-9.2"),
        ("0.9999", "9.21"),
        ("0.26894143", "-1.0000001"),
    ] {
        table(&format!("label,probability,logit\n1,{p},{logit}\n"));
    }
    for (p, logit) in [("0.72", "1.000"), ("0.7", "-1.000"), ("0", "-2.2"), ("0.0001", "-5.12")] {
        let text = format!("label,probability,logit\n1,{p},{logit}\n");
        let error = read(&text, &RequestedColumns::default()).unwrap_err().to_string();
        assert!(
            error.contains("line 2") && error.contains("the log-odds of"),
            "{p} {logit} {error}"
        );
    }
}

#[test]
fn probabilities_of_0_and_1_rank_beyond_all_others() {
    let text = format!("label,probability\n0,0\n1,1\n0,5e-324\n1,{}\n", 1.0 - f64::EPSILON / 2.0);
    let model = &table(&text).models[0];
    let [zero, one, smallest, largest] = model.scores[..] else { panic!("{model:?}") };
    assert!(zero < smallest && largest < one, "{model:?}");
    assert_eq!(model.saturated, 2);
}

#[test]
fn exams_repeat_within_a_patient_only() {
    table("patient,exam,label,score\nA,1,0,1\nB,1,0,1\n");
    let error = read("patient,exam,label,score\nA,1,0,1\nA,1,0,1\n", &RequestedColumns::default());
    assert!(error.unwrap_err().to_string().contains("exam \"1\" is also in line 2"));
    let both = read("exam,exam_id,label,score\nA,1,0,1\n", &RequestedColumns::default());
    let message = both.unwrap_err().to_string();
    assert!(message.contains("the columns `exam` and `exam_id` for the exam"), "{message}");
}
