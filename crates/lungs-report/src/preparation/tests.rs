use super::*;
use lungs_image::codes::ExclusionCode;
use lungs_spec::results::write_csv;
use lungs_testing::browser::opened;
use std::fs;

fn row(patient: &str, uid: &str, flags: &str) -> Row {
    let file = format!("{}.npz", uid.replace('.', ""));
    let json = serde_json::json!({
        "patient_id": patient, "study_uid": "1.2", "series_uid": uid, "status": "prepared",
        "code": "", "reason": "", "slices": 120, "rows": 512, "columns": 512,
        "spacing_d_mm": 2.5, "spacing_h_mm": 0.703125, "spacing_w_mm": 0.703125,
        "hu_min": -1024, "hu_max": 3071, "lung_left_ml": 2310.4, "lung_right_ml": 2648.9,
        "flags": flags, "cache_file": file,
    });
    serde_json::from_value(json).unwrap()
}

fn excluded_row(patient: &str, uid: &str, code: &str, reason: &str) -> Row {
    Row {
        status: Status::Refused,
        code: Some(code.into()),
        reason: reason.into(),
        cache_file: String::new(),
        lung_left_ml: None,
        lung_right_ml: None,
        ..row(patient, uid, "")
    }
}

fn cohort_row(row: &Row, path: &str) -> CohortRow {
    let json = serde_json::json!({
        "patient": row.patient_id, "exam": "1.2", "series": row.series_uid, "path": path,
        "chosen": row.status == Status::Prepared, "code": row.code.as_ref().map(ToString::to_string).unwrap_or_default(), "reason": "", "slices": 120, "kernel": "",
        "kind": "dicom", "manufacturer": "", "flags": "",
    });
    serde_json::from_value(json).unwrap()
}

/// Three prepared series, two of them with flags; two series excluded in preparation for different reasons; a
/// damaged file and a series excluded by a rule before preparation.
fn small() -> Preparation {
    let rows = vec![
        row("P1", "1.2.840.113619.2.55.1001", ""),
        excluded_row("P2", "1.2.840.113619.2.55.1002", "localizer", "all 2 images are localizers"),
        row("P3", "1.2.840.113619.2.55.1003", "reoriented"),
        excluded_row(
            "P4",
            "1.2.840.113619.2.55.1004",
            "gantry-tilt",
            "gantry tilt of 18.5 degrees",
        ),
        row("P5", "1.2.840.113619.2.55.1005", "lungs-cut-at-top;reoriented"),
    ];
    let mut cohort: Vec<CohortRow> =
        rows.iter().map(|row| cohort_row(row, &format!("data/{}", row.patient_id))).collect();
    cohort.push(CohortRow {
        series_uid: "1.2.840.113619.2.55.1006".into(),
        code: Some(ExclusionCode::NotPreferred),
        reason: "series 1.2 of the same exam comes first".into(),
        chosen: false,
        ..cohort[0].clone()
    });
    cohort.push(CohortRow {
        patient_id: String::new(),
        exam_id: String::new(),
        series_uid: String::new(),
        path: "data/broken.dcm".into(),
        code: Some(ExclusionCode::Unreadable),
        reason: "is empty, expected a DICOM file".into(),
        chosen: false,
        ..cohort[0].clone()
    });
    let sizes = rows.iter().filter_map(picture_name).map(|name| (name, [900, 302])).collect();
    let pictures =
        Pictures { cache: "ct.prepared".into(), folder: "../ct.prepared/".into(), sizes };
    Preparation { name: "small".into(), rows, cohort, pictures, anonymous: false }
}

/// The page's body without scripts and the content of plots, one tag per line.
fn skeleton(html: &str) -> String {
    let mut text = html.split_once("<body>").unwrap().1.to_owned();
    for (start, end) in [("<svg", "</svg>"), ("<script", "</script>")] {
        let parts: Vec<&str> = text.split(start).collect();
        let rest = parts[1..].iter().map(|part| part.split_once(end).unwrap().1);
        text = std::iter::once(parts[0]).chain(rest).collect::<Vec<_>>().join("[…]");
    }
    text.replace('\n', "").replace("><", ">\n<").replace("[…]<", "[…]\n<")
}

#[test]
fn a_small_preparation_makes_this_page() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| {
        insta::assert_snapshot!("small-preparation", skeleton(&preparation_page(&small())));
    });
}

#[test]
fn excluded_series_come_first_and_then_flagged_series() {
    let html = preparation_page(&small());
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    let order = [
        "gantry tilt of 18.5 degrees",
        "all 2 images are localizers",
        "is empty, expected a DICOM file",
        "<svg",
        "<b>P5</b>",
        "<b>P3</b>",
        "<b>P1</b>",
    ];
    // 6 series: five in the table of preparation and one excluded by a rule before.
    let summary = "6 series found: 3 prepared (2 flagged), 2 excluded in preparation; \
                   2 series or files excluded before preparation.";
    assert!(html.contains(summary));
    for pair in order.windows(2) {
        assert!(at(pair[0]) < at(pair[1]), "{pair:?}");
    }
    assert!(html.contains("lungs cut at the top: the scan ends inside the lungs"));
    assert!(html.contains("data/P4"));
}

#[test]
fn texts_from_dicom_are_harmless() {
    let attack = "\"><script>alert('x')</script><img src=x onerror=alert(1)>&lt;\u{0}";
    let mut preparation = small();
    preparation.name = attack.into();
    for row in &mut preparation.rows {
        row.patient_id = attack.into();
        row.series_uid = format!("{attack}{}", row.series_uid);
        row.reason = attack.into();
        row.flags = vec![attack.into()];
    }
    preparation.rows[1].code = Some(attack.into());
    for row in &mut preparation.cohort {
        (row.path, row.reason) = (attack.into(), attack.into());
        row.code = row.code.as_ref().map(|_| attack.into());
    }
    preparation.pictures.cache = attack.into();
    preparation.pictures.sizes.clear();
    let html = preparation_page(&preparation);
    assert!(html.contains("&lt;script&gt;alert('x')"));
    assert_eq!(html.matches("<script").count(), 1, "only the page's own");
    assert!(!html.contains("<img"), "no picture, and none from a text");
    // Every quote of an attack is escaped, so no attribute can end early.
    assert!(!html.contains("\"><script"), "{}", skeleton(&html));
}

#[test]
fn a_crop_file_that_is_not_a_plain_name_is_no_picture() {
    for name in ["../../etc/x.npz", "a\\b.npz", ".npz", "x.png", ""] {
        let row = Row { cache_file: name.into(), ..row("P", "1.2", "") };
        assert_eq!(picture_name(&row), None, "{name}");
    }
}

#[test]
fn missing_pictures_are_reported_on_a_complete_page() {
    let mut preparation = small();
    preparation.pictures.sizes.clear();
    let html = preparation_page(&preparation);
    assert!(html.contains("All pictures are missing from the cache"), "{}", skeleton(&html));
    assert!(html.contains("ct.prepared"));
    assert_eq!(html.matches("picture missing").count(), 3);
    assert!(!html.contains("<img") && html.contains("<b>P5</b>"));

    preparation.pictures.sizes = small().pictures.sizes.into_iter().take(2).collect();
    let html = preparation_page(&preparation);
    assert!(html.contains("1 picture is missing from the cache"));
    assert_eq!(html.matches("<img").count(), 2);
}

#[test]
fn an_empty_preparation_has_a_page() {
    let html = preparation_page(&Preparation { name: "nothing".into(), ..Default::default() });
    assert!(html.contains("0 series found") && html.contains("No series was prepared."));
    assert!(!html.contains("<svg"));
}

#[test]
fn five_hundred_series_are_less_than_a_megabyte() {
    let one = small();
    let mut many = Preparation { name: "many".into(), ..one.clone() };
    (many.rows, many.cohort) = (Vec::new(), Vec::new());
    for number in 0..100 {
        for (row, cohort_row) in one.rows.iter().zip(&one.cohort) {
            let uid = format!("{}.{number:020}", row.series_uid);
            let file = format!("{number:027}{}", row.cache_file);
            many.cohort.push(CohortRow { series_uid: uid.clone(), ..cohort_row.clone() });
            many.rows.push(Row { series_uid: uid, cache_file: file, ..row.clone() });
        }
    }
    many.pictures.sizes =
        many.rows.iter().filter_map(picture_name).map(|name| (name, [900, 300])).collect();
    let html = preparation_page(&many);
    assert!(html.contains("500 series found"));
    assert!(html.len() < 1_000_000, "{}", html.len());
    assert!(html == preparation_page(&many), "the same tables give the same bytes");
}

/// The page of a whole trial shows all flagged series and stays small enough for a browser.
#[test]
fn a_hundred_thousand_series_are_less_than_four_megabytes() {
    let mut many = Preparation { name: "many".into(), ..Default::default() };
    for number in 0..100_000 {
        let uid = format!("1.2.840.{number}");
        many.rows.push(match number % 50 {
            0 => excluded_row("P", &uid, "localizer", "all 2 images are localizers"),
            1 => row("P", &uid, "lungs-cut-at-top"),
            _ => row("P", &uid, ""),
        });
    }
    let html = preparation_page(&many);
    assert!(html.contains(
        "100000 series found: 98000 prepared (2000 flagged), 2000 excluded in preparation"
    ));
    assert_eq!(html.matches("data-f=\"lungs-cut-at-top\"").count(), 2000, "all that are flagged");
    assert!(
        html.contains("Showing the first 2000 of 98000 series") && html.contains("and 1500 more")
    );
    assert!(html.len() < 4_000_000, "{}", html.len());
}

/// The page of a run hides names unless `report.identifiers = "plain"`; counts and reasons stay.
#[test]
fn the_page_of_a_run_is_anonymous() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    let spec = "[experiment]\nname = \"kept\"\n[data]\nroot = \"ct\"\nlabels = \"l.csv\"\n";
    let page = |identifiers: &str| {
        let text = format!("{spec}[report]\nidentifiers = \"{identifiers}\"\n");
        fs::write(run.join("spec.toml"), text).unwrap();
        let run = RunFolder::open(&run).unwrap();
        let Preparation { rows, cohort, .. } = small();
        write_csv(&run.table(Table::Preparation), &rows).unwrap();
        write_csv(&run.table(Table::Cohort), &cohort).unwrap();
        let page = redraw_preparation(&run, &folder.path().join("cache")).unwrap().unwrap();
        skeleton(&fs::read_to_string(page).unwrap())
    };
    let plain = page("plain");
    for hidden in [page("hashed"), page("row")] {
        for number in 1..=6 {
            for name in [format!("P{number}<"), format!("100{number}"), format!("data/P{number}")] {
                assert!(!hidden.contains(&name), "{name}: {hidden}");
                assert!(
                    number == 6 || plain.contains(&name) || name.starts_with("data/"),
                    "{name}"
                );
            }
        }
        assert!(!hidden.contains("broken.dcm") && plain.contains("broken.dcm"));
        for text in ["6 series found: 3 prepared (2 flagged)", "gantry tilt of 18.5 degrees"] {
            assert!(hidden.contains(text) && plain.contains(text), "{text}: {hidden}");
        }
        assert!(hidden.contains("row 5") && hidden.contains("cohort 7"), "{hidden}");
    }
}

/// A folder with a page and three small pictures.
fn page_with_pictures() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut preparation = small();
    preparation.rows[0].patient_id = "<script>document.title = 'broken into'</script>".into();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 90, 30);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&[128; 90 * 30]).unwrap();
    for name in preparation.rows.iter().filter_map(picture_name) {
        fs::write(folder.path().join(name), &bytes).unwrap();
    }
    let page = folder.path().join("report.html");
    let Preparation { name, rows, cohort, .. } = &preparation;
    write_preparation(&page, name, rows, cohort, folder.path()).unwrap();
    (folder, page)
}

#[test]
fn pictures_in_the_page_folder_are_linked_with_their_size() {
    let (_folder, page) = page_with_pictures();
    let html = fs::read_to_string(page).unwrap();
    let picture = "<img src=\"128401136192551005.png\" width=\"90\" height=\"30\" loading=\"lazy\"";
    assert!(html.contains(picture), "{}", skeleton(&html));
    assert_eq!(html.matches("<img").count(), 3);
}

#[test]
fn a_run_gets_its_page_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    fs::create_dir(&run).unwrap();
    fs::write(
        run.join("spec.toml"),
        "[experiment]\nname = \"kept\"\n[data]\nroot = \"ct\"\nlabels = \"l.csv\"\n",
    )
    .unwrap();
    let run = RunFolder::open(&run).unwrap();
    let cache = folder.path().join("cache");
    assert_eq!(redraw_preparation(&run, &cache).unwrap(), None);
    let Preparation { rows, cohort, .. } = small();
    write_csv(&run.table(Table::Preparation), &rows).unwrap();
    write_csv(&run.table(Table::Cohort), &cohort).unwrap();
    let page = redraw_preparation(&run, &cache).unwrap().unwrap();
    let before = fs::read(&page).unwrap();
    assert!(String::from_utf8_lossy(&before).contains("All pictures are missing"));
    fs::remove_file(&page).unwrap();
    redraw_preparation(&run, &cache).unwrap();
    assert!(fs::read(&page).unwrap() == before);
}

#[test]
#[ignore = "needs chromium"]
fn a_browser_sorts_and_filters_the_contact_sheet() {
    let (_folder, page) = page_with_pictures();
    let dom = opened(&page, "");
    let at = |dom: &str, text: &str| dom.find(text).unwrap_or_else(|| panic!("{text}: {dom}"));
    assert!(dom.contains("3 of 3 shown"), "the script ran");
    assert!(dom.contains("<div id=\"tools\">"), "the script shows its controls");
    assert!(dom.contains("<title>Preparation of small</title>"), "no other script ran");
    assert!(at(&dom, "<b>P5</b>") < at(&dom, "<b>P3</b>"));

    let dom = opened(&page, "#by=patient&show=reoriented");
    assert!(dom.contains("2 of 3 shown"));
    assert!(at(&dom, "<b>P3</b>") < at(&dom, "<b>P5</b>"));
    let dom = opened(&page, "#by=patient&down");
    assert!(at(&dom, "<b>P5</b>") < at(&dom, "<b>P3</b>"));
}
