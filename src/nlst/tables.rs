//! The trial's clinical tables, in the form of the Imaging Data Commons and the Cancer Data Access System:
//! `nlst_prsn` (a row per person, both arms), `nlst_canc` (a row per lung cancer), `nlst_screen` (a row per CT
//! screening) and `nlst_ctab` (a row per abnormality on a CT).

use super::person::{Arm, Cancers, Person};
use super::reasons::{Reason, ReasonCode, reason};
use super::sources::INDEX_FOLDER as INDEX;
use super::table::{Row, TableError, optional, read_rows, required};
use lungs_archive::table;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// Nodules that radiologists marked on the CT of a study year.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Nodules {
    /// Non-calcified nodules or masses of 4 mm and more.
    pub count: u32,
    /// The longest diameter among them.
    pub largest_mm: Option<f64>,
}

/// All tables. Only the table of persons is required.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// By `pid`.
    pub persons: HashMap<String, Person>,
    /// Persons with an unreadable row or contradictory rows, by `pid`.
    pub unusable: BTreeMap<String, Reason>,
    /// Number of distinct `pid` in the table of persons.
    pub persons_in_table: usize,
    /// Rows without a `pid`, in all tables.
    pub rows_without_person: usize,
    /// By `pid`; `None` without the table.
    pub cancers: Option<HashMap<String, Cancers>>,
    /// Study years with a CT screening, by `pid`; `None` without the table.
    pub screens: Option<HashMap<String, BTreeSet<u8>>>,
    /// By `pid` and study year; `None` without the table.
    pub nodules: Option<HashMap<(String, u8), Nodules>>,
    /// The input files, by the name of the table.
    pub files: BTreeMap<&'static str, PathBuf>,
}

const EXPECTED_FOLDER: &str = "a folder with the table nlst_prsn and optionally nlst_canc, nlst_screen and \
    nlst_ctab, as CSV or Parquet; use --fetch-tables to download them";

/// The index of series in the folder of the tables, if it exists: `idc_index` with an extension of a table, or a
/// folder of that name.
pub fn find_index(folder: &Path) -> Option<PathBuf> {
    let path = |ending: &&str| folder.join(format!("{INDEX}{ending}"));
    let file = table::ENDINGS.iter().map(path).find(|path| path.is_file());
    file.or_else(|| Some(folder.join(INDEX)).filter(|path| path.is_dir()))
}

/// Reads the tables of a folder: `nlst_prsn.csv`, `nlst_prsn.parquet`, a folder `nlst_prsn` with the
/// pieces of the table, or a file as the Cancer Data Access System names it, such as
/// `nlst_780_prsn_idc_20210527.csv`.
///
/// # Errors
/// The table of persons is missing, or a table cannot be read.
pub fn read_tables(folder: &Path) -> Result<Tables, TableError> {
    let mut files = BTreeMap::new();
    for name in ["prsn", "canc", "screen", "ctab"] {
        if let Some(path) = find_table(folder, name)? {
            files.insert(name, path);
        }
    }
    let Some(persons) = files.get("prsn") else {
        return Err(TableError::NoTables {
            path: folder.to_owned(),
            message: "table nlst_prsn is missing".into(),
            expected: EXPECTED_FOLDER,
        });
    };
    let mut problems = Problems::default();
    let (persons, persons_in_table) = read_persons(persons, &mut problems)?;
    let cancers = files.get("canc").map(|path| read_cancers(path, &mut problems)).transpose()?;
    let screens = files.get("screen").map(|path| read_screens(path, &mut problems)).transpose()?;
    let nodules = files.get("ctab").map(|path| read_nodules(path, &mut problems)).transpose()?;
    let Problems { unusable, rows_without_person } = problems;
    Ok(Tables {
        persons,
        unusable,
        persons_in_table,
        rows_without_person,
        cancers,
        screens,
        nodules,
        files,
    })
}

/// Unreadable and contradictory rows, by person.
#[derive(Default)]
struct Problems {
    unusable: BTreeMap<String, Reason>,
    rows_without_person: usize,
}

impl Problems {
    /// Reads a row of the person in its first column. An unreadable row makes the person unusable.
    fn read(
        &mut self,
        row: &Row,
        read: impl FnOnce(String) -> Result<(), TableError>,
    ) -> Result<(), TableError> {
        let Ok(pid) = row.identifier(0) else {
            self.rows_without_person += 1;
            return Ok(());
        };
        match read(pid.clone()) {
            Err(error @ TableError::BadValue { .. }) => {
                let reason = || reason(ReasonCode::UnreadablePerson, error.to_string());
                self.unusable.entry(pid).or_insert_with(reason);
                Ok(())
            }
            other => other,
        }
    }
}

/// The file or folder of a table: the one with its plain name, else the only one whose name contains the table's
/// as a word.
///
/// # Errors
/// The folder cannot be read, or several files match.
pub fn find_table(folder: &Path, table: &str) -> Result<Option<PathBuf>, TableError> {
    let unusable = |path: &Path, message: String, expected| TableError::NoTables {
        path: path.to_owned(),
        message,
        expected,
    };
    let entries =
        std::fs::read_dir(folder).map_err(|e| unusable(folder, e.to_string(), EXPECTED_FOLDER))?;
    let mut matches: Vec<(bool, PathBuf)> = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        let ending = table::ENDINGS.into_iter().find(|ending| name.ends_with(ending));
        let stem = match ending {
            Some(ending) => &name[..name.len() - ending.len()],
            None if path.is_dir() => &name,
            None => continue,
        };
        let mut words = stem.split(['_', '.', '-']);
        if words.next() == Some("nlst") && words.any(|word| word == table) {
            matches.push((stem != format!("nlst_{table}"), path));
        }
    }
    matches.sort();
    // Plain names take precedence.
    let plain_count = matches.partition_point(|(has_other_words, _)| !has_other_words);
    let matches = if plain_count > 0 { &matches[..plain_count] } else { &matches[..] };
    match matches {
        [] => Ok(None),
        [(_, path)] => Ok(Some(path.clone())),
        [(_, first), (_, second), ..] => Err(unusable(
            first,
            format!("{} is another file of the same table", second.display()),
            "one file per table; rename or remove the other",
        )),
    }
}

fn read_persons(
    path: &Path,
    problems: &mut Problems,
) -> Result<(HashMap<String, Person>, usize), TableError> {
    let columns = [
        required("pid"),
        required("scr_days0"),
        required("scr_days1"),
        required("scr_days2"),
        required("candx_days"),
        optional("canc_free_days"),
        optional("rndgroup"),
        optional("age"),
        optional("gender"),
        optional("race"),
        optional("cigsmok"),
        optional("can_scr"),
        optional("cancyr"),
        optional("de_stag"),
    ];
    let mut persons = HashMap::<String, Person>::new();
    let mut pids = BTreeSet::new();
    let mut contradictory = BTreeMap::new();
    read_rows(path, &columns, |row| {
        problems.read(row, |pid| {
            pids.insert(pid.clone());
            let person = person(row)?;
            if persons.get(&pid).is_some_and(|earlier| *earlier != person) {
                let message =
                    format!("{}, {}: differs from an earlier row", path.display(), row.at());
                contradictory
                    .entry(pid.clone())
                    .or_insert(reason(ReasonCode::ContradictoryPerson, message));
            }
            persons.entry(pid).or_insert(person);
            Ok(())
        })
    })?;
    problems.unusable.extend(contradictory);
    Ok((persons, pids.len()))
}

fn person(row: &Row) -> Result<Person, TableError> {
    let arm = match row.number(6)? {
        None => None,
        Some(1) => Some(Arm::Ct),
        Some(2) => Some(Arm::Xray),
        Some(_) => return Err(row.wrong(6, "1 (CT) or 2 (radiography)")),
    };
    let has_cancer_record =
        row.number(11)?.is_some_and(|code| code != 0) || row.number(12)?.is_some();
    Ok(Person {
        arm,
        age: row.number(7)?,
        sex: word(row.number(8)?, &[(1, "male"), (2, "female")]),
        race: word(row.number(9)?, &RACES),
        smoking: word(row.number(10)?, &[(0, "former"), (1, "current")]),
        screen_days: [row.days(1)?, row.days(2)?, row.days(3)?],
        diagnosis_day: row.days(4)?,
        cancer_free_day: row.days(5)?,
        has_cancer_record,
        stage: word(row.number(13)?, &STAGES),
    })
}

/// The word for a code; empty for the codes of unknown values.
fn word(code: Option<i64>, words: &[(i64, &'static str)]) -> &'static str {
    words.iter().find(|(known, _)| Some(*known) == code).map_or("", |(_, word)| word)
}

const RACES: [(i64, &str); 6] = [
    (1, "White"),
    (2, "Black or African-American"),
    (3, "Asian"),
    (4, "American Indian or Alaskan Native"),
    (5, "Native Hawaiian or Other Pacific Islander"),
    (6, "More than one race"),
];

/// Stages of AJCC 6.
const STAGES: [(i64, &str); 8] = [
    (110, "IA"),
    (120, "IB"),
    (210, "IIA"),
    (220, "IIB"),
    (310, "IIIA"),
    (320, "IIIB"),
    (400, "IV"),
    (900, "occult"),
];

fn read_cancers(
    path: &Path,
    problems: &mut Problems,
) -> Result<HashMap<String, Cancers>, TableError> {
    let mut cancers = HashMap::<String, Cancers>::new();
    read_rows(path, &[required("pid"), required("candx_days")], |row| {
        problems.read(row, |pid| {
            let days = row.days(1)?.known();
            let entry = cancers.entry(pid).or_insert(Cancers { first_days: None });
            entry.first_days = [entry.first_days, days].into_iter().flatten().min();
            Ok(())
        })
    })?;
    Ok(cancers)
}

fn read_screens(
    path: &Path,
    problems: &mut Problems,
) -> Result<HashMap<String, BTreeSet<u8>>, TableError> {
    let mut screens = HashMap::<String, BTreeSet<u8>>::new();
    read_rows(path, &[required("pid"), required("study_yr")], |row| {
        problems.read(row, |pid| {
            let year = study_year(row.number(1)?).ok_or_else(|| row.wrong(1, "0, 1 or 2"))?;
            screens.entry(pid).or_default().insert(year);
            Ok(())
        })
    })?;
    Ok(screens)
}

fn study_year(number: Option<i64>) -> Option<u8> {
    number.and_then(|year| u8::try_from(year).ok()).filter(|year| *year <= 2)
}

/// The code of `sct_ab_desc` for a non-calcified nodule or mass of 4 mm and more.
const NODULE: i64 = 51;

fn read_nodules(
    path: &Path,
    problems: &mut Problems,
) -> Result<HashMap<(String, u8), Nodules>, TableError> {
    let columns =
        [required("pid"), required("study_yr"), required("sct_ab_desc"), optional("sct_long_dia")];
    let mut nodules = HashMap::<(String, u8), Nodules>::new();
    read_rows(path, &columns, |row| {
        problems.read(row, |pid| {
            let year = study_year(row.number(1)?).ok_or_else(|| row.wrong(1, "0, 1 or 2"))?;
            let (kind, size_mm) = (row.number(2)?, row.measurement(3)?);
            let entry = nodules.entry((pid, year)).or_default();
            if kind == Some(NODULE) {
                entry.count += 1;
                entry.largest_mm =
                    [entry.largest_mm, size_mm].into_iter().flatten().reduce(f64::max);
            }
            Ok(())
        })
    })?;
    Ok(nodules)
}
