//! `report.html`: complete, self-contained, and without names.

use super::browser::opened;
use super::support::Workspace;
use super::synthetic;
use lungs::report::redraw;
use std::fs;
use std::path::Path;

/// A preview picture in `cache` for the exam that has this place in its part.
fn picture(cache: &Path, index: usize) {
    let file = fs::File::create(cache.join(format!("{index:06}.png"))).unwrap();
    let mut encoder = png::Encoder::new(file, 3, 2);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&[0, 50, 100, 150, 200, 250]).unwrap();
}

#[test]
fn a_report_stands_alone_and_says_everything_once() {
    for exams in [8, 120, 5000] {
        let folder = tempfile::tempdir().unwrap();
        let run = synthetic::run(folder.path(), "demo", exams, 1);
        let cache = folder.path().join("cache");
        fs::create_dir_all(&cache).unwrap();
        (0..exams).for_each(|index| picture(&cache, index));
        let written = redraw(&run, &cache).unwrap();
        assert_eq!(written.last().unwrap(), &run.report_page());
        // LUNGS_PAGES names a folder that receives the pages, for looking at.
        if let Some(folder) = std::env::var_os("LUNGS_PAGES") {
            let to = Path::new(&folder).join(format!("report-{exams}.html"));
            fs::copy(run.report_page(), to).unwrap();
        }
        let page = fs::read_to_string(run.report_page()).unwrap();
        let own = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!own.contains("http://") && !own.contains("https://"), "nothing from elsewhere");
        assert!(!page.contains("<script"), "it is read without one");
        assert!(!page.contains("Jane Doe") && !page.contains("2.25."), "no names");
        for section in
            ["figures", "curves", "decisions", "groups", "cohort", "worst", "training", "record"]
        {
            assert_eq!(
                page.matches(&format!("<section id=\"{section}\">")).count(),
                1,
                "{section}"
            );
        }
        assert_eq!(page.matches("data:image/png;base64,").count(), (exams / 4).min(4) + 4);
        for words in [
            format!("On {exams} test exams of {exams} patients").as_str(),
            "Where 1 % of exams are cancers",
            "chosen on these exams",
            if exams > 8 { "Cochran's Q" } else { "No test of a difference of the AUCs" },
            "left out before preparation",
            "1 refused in preparation",
            "split.test = 0.2",
            "How to do it again",
            "Research use only",
        ] {
            let plain = page.replace("</td><td data-of=\"value\">", " = ").replace("&#39;", "'");
            assert!(plain.contains(words), "{words}");
        }
        if let Some(dom) = opened(&run.report_page(), "") {
            assert!(dom.contains("<title>demo</title>"), "{}", &dom[..400]);
            assert!(dom.matches("<svg").count() >= 8, "plots are in it");
        }

        // From the tables alone, to the byte.
        fs::remove_dir_all(run.plots()).unwrap();
        fs::remove_file(run.report_page()).unwrap();
        redraw(&run, &cache).unwrap();
        assert_eq!(fs::read_to_string(run.report_page()).unwrap(), page);
        // And without the cache it says what is missing.
        redraw(&run, &folder.path().join("nowhere")).unwrap();
        let page = fs::read_to_string(run.report_page()).unwrap();
        assert!(page.contains("Its picture is not in the cache any more"));
    }
}

#[test]
fn exams_have_the_names_that_are_asked_for() {
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
    assert!(plain.contains("patient Jane Doe test"), "as they are");
    let rows = page("row");
    assert!(!rows.contains("Jane Doe") && rows.contains("row "));
    // The same exam has the same hash again, and another in another cohort.
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
    let place = Workspace::new();
    let done = place.lungs(&["run", "small.toml", "-q", "--set", "train.epochs=1"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("report.html"), "{}", done.stdout);
    let run = place.newest_run("small");
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("The epoch was selected on these validation exams"));
    fs::remove_file(run.join("report.html")).unwrap();
    assert_eq!(place.lungs(&["plot", run.to_str().unwrap()]).code, 0);
    assert!(fs::read_to_string(run.join("report.html")).unwrap() == page);

    let folds = ["--set", "split.folds=3", "--set", "train.epochs=1"];
    let done = place.lungs(&[&["run", "small.toml", "-q"], &folds[..]].concat());
    assert_eq!(done.code, 0, "{}", done.stderr);
    let run = place.newest_run("small");
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    for words in ["3-fold cross-validation", "<section id=\"folds\">", "out-of-fold exams"] {
        assert!(page.contains(words), "{words}");
    }
    assert!(run.join("fold-2/report.html").is_file());
}
