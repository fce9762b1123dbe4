//! `report.html`: complete, self-contained, and anonymous.

use super::support::Workspace;
use super::synthetic;
use lungs_report::redraw;
use lungs_testing::browser::opened;
use std::fs;
use std::path::Path;

/// Writes a preview picture into `cache` for the exam with this index in its split.
fn picture(cache: &Path, index: usize) {
    let file = fs::File::create(cache.join(format!("{index:06}.png"))).unwrap();
    let mut encoder = png::Encoder::new(file, 3, 2);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&[0, 50, 100, 150, 200, 250]).unwrap();
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_shows_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let run = synthetic::run(folder.path(), "demo", 120, 1);
    redraw(&run, &folder.path().join("cache")).unwrap();
    let dom = opened(&run.report_page(), "");
    assert!(dom.contains("<title>demo</title>"), "{}", &dom[..400]);
    assert!(dom.matches("<svg").count() >= 8, "plots are embedded");
}

#[test]
fn a_report_is_self_contained_and_has_every_section_once() {
    for exams in [8, 120, 5000] {
        let folder = tempfile::tempdir().unwrap();
        let run = synthetic::run(folder.path(), "demo", exams, 1);
        let cache = folder.path().join("cache");
        fs::create_dir_all(&cache).unwrap();
        (0..exams).for_each(|index| picture(&cache, index));
        let written = redraw(&run, &cache).unwrap();
        assert_eq!(written.last().unwrap(), &run.report_page());
        // Pages are copied to the folder LUNGS_PAGES for visual inspection.
        if let Some(folder) = std::env::var_os("LUNGS_PAGES") {
            let copy = Path::new(&folder).join(format!("report-{exams}.html"));
            fs::copy(run.report_page(), copy).unwrap();
        }
        let page = fs::read_to_string(run.report_page()).unwrap();
        let content = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!content.contains("http://") && !content.contains("https://"), "external resource");
        assert!(!page.contains("<script"), "needs a script");
        assert!(!page.contains("Jane Doe") && !page.contains("2.25."), "patient name or UID");
        for section in [
            "study",
            "metrics",
            "curves",
            "decisions",
            "groups",
            "cohort",
            "population",
            "worst",
            "training",
            "methods",
            "record",
            "checklist",
        ] {
            assert_eq!(
                page.matches(&format!("<section id=\"{section}\">")).count(),
                1,
                "{section}"
            );
        }
        assert_eq!(page.matches("data:image/png;base64,").count(), (exams / 4).min(4) + 4);
        for words in [
            format!("On {exams} test exams of {exams} patients").as_str(),
            "At a prevalence of 1 %",
            "chosen on these exams",
            if exams > 8 { "Cochran's Q" } else { "No test for a difference of the AUCs" },
            "excluded before",
            "1 excluded in preparation",
            "split.test = 0.2",
            "Reproducing this run",
            "Research use only",
        ] {
            let plain = page.replace("</td><td data-of=\"value\">", " = ").replace("&#39;", "'");
            assert!(plain.contains(words), "{words}");
        }

        // The tables alone restore the page byte for byte.
        fs::remove_dir_all(run.plots()).unwrap();
        fs::remove_file(run.report_page()).unwrap();
        redraw(&run, &cache).unwrap();
        assert_eq!(fs::read_to_string(run.report_page()).unwrap(), page);
        // Without the cache, the page reports missing pictures.
        redraw(&run, &folder.path().join("missing")).unwrap();
        let page = fs::read_to_string(run.report_page()).unwrap();
        assert!(page.contains("The picture is missing from the cache"));
    }
}

/// 6,700 test exams of which 1.3 % are positive.
#[test]
fn rare_cancers_are_reported_at_a_threshold_of_validation_with_their_digits() {
    let folder = tempfile::tempdir().unwrap();
    let run = synthetic::run_of(folder.path(), "rare", 6700, 1, 77);
    redraw(&run, folder.path()).unwrap();
    let page = fs::read_to_string(run.report_page()).unwrap();
    if let Some(folder) = std::env::var_os("LUNGS_PAGES") {
        fs::copy(run.report_page(), Path::new(&folder).join("report-rare.html")).unwrap();
    }
    let tiles = page.split("<ul class=\"tiles\">").nth(1).unwrap().split("</ul>").next().unwrap();
    assert!(!tiles.contains("p ≥ 0.5<") && tiles.contains("sensitivity at p ≥ 0.0"), "{tiles}");
    assert!(page.contains("The threshold was chosen on the validation exams."));
    assert!(page.contains("88 (1.3 %)"), "prevalence");
    assert!(!page.contains("-0.000") && !page.contains("−0.000<"), "minus zero");
    let cell = |name: &str| {
        let row = page.split(&format!("<td>{name}</td>")).nth(1).unwrap();
        row.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    assert!(cell("Brier score").starts_with("0.012"), "{}", cell("Brier score"));
    assert!(cell("standardised partial AUC (McClish)").starts_with("0."));
    // Axes are zoomed.
    assert!(page.contains("both axes end at 0."), "calibration");
    let table = |name: &str| fs::read_to_string(run.root().join(name)).unwrap();
    let characteristics = table("characteristics.csv");
    for row in
        ["Exams with cancer,n (%),438 (1.3 %)", "Patients with cancer,n (%)", "Smoking,missing,"]
    {
        assert!(characteristics.contains(row), "{row}: {characteristics}");
    }
    assert!(table("acquisition.csv").contains("Tube current (mA),mean (SD),"));
    assert!(table("exclusions.csv").contains("too-few-slices,"));
    assert!(table("checklist.csv").contains(
        "TRIPOD+AI,17,Ethics approval and consent,for the authors,,report.statements.ethics"
    ));
    for text in [&page, &characteristics, &table("acquisition.csv"), &table("exclusions.csv")] {
        assert!(!text.contains("Jane Doe") && !text.contains("2.25."), "a patient");
    }
}

#[test]
fn exams_are_named_by_report_identifiers() {
    let folder = tempfile::tempdir().unwrap();
    let run = synthetic::run(folder.path(), "demo", 40, 1);
    let spec = fs::read_to_string(run.spec_file()).unwrap();
    let page = |identifiers: &str| {
        let set = format!("identifiers = \"{identifiers}\"");
        fs::write(run.spec_file(), spec.replace("identifiers = \"hashed\"", &set)).unwrap();
        redraw(&run, folder.path()).unwrap();
        fs::read_to_string(run.report_page()).unwrap()
    };
    let hashed = page("hashed");
    let first = hashed.split("exam ").nth(1).unwrap();
    assert!(first.len() > 8 && !hashed.contains("Jane Doe"));
    let plain = page("plain");
    assert!(plain.contains("patient Jane Doe test"), "original names");
    let rows = page("row");
    assert!(!rows.contains("Jane Doe") && rows.contains("row "));
    // The same exam has the same hash in the same cohort and a different hash in another cohort.
    assert_eq!(page("hashed"), hashed);
    let hashes = |page: &str| -> Vec<String> {
        let cards = page.split("<span class=\"soft\">exam ").skip(1);
        cards.map(|card| card[..8].to_owned()).collect()
    };
    let cohort = fs::read_to_string(run.root().join("cohort.csv")).unwrap();
    fs::write(run.root().join("cohort.csv"), cohort.replace("Nobody", "Somebody")).unwrap();
    let (before, after) = (hashes(&hashed), hashes(&page("hashed")));
    assert_eq!(before.len(), 8);
    assert!(before.iter().zip(&after).all(|(before, after)| before != after));
}

#[test]
fn runs_and_cross_validations_leave_a_report() {
    let workspace = Workspace::new();
    let done = workspace.lungs(&["run", "small.toml", "-q", "--set", "train.epochs=1"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("report.html"), "{}", done.stdout);
    let run = workspace.newest_run("small");
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("The epoch was selected on these validation exams"));
    fs::remove_file(run.join("report.html")).unwrap();
    assert_eq!(workspace.lungs(&["plot", run.to_str().unwrap()]).code, 0);
    assert!(fs::read_to_string(run.join("report.html")).unwrap() == page);

    let folds = ["--set", "split.folds=3", "--set", "train.epochs=1"];
    let done = workspace.lungs(&[&["run", "small.toml", "-q"], &folds[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let run = workspace.newest_run("small");
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    for words in ["3-fold cross-validation", "<section id=\"folds\">", "out-of-fold exams"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(run.join("fold-2/report.html").is_file());
}
