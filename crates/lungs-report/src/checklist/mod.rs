//! Which item of a reporting guideline the run answers, and where: TRIPOD+AI (Collins et al., BMJ 2024;385:e078378) and
//! CLAIM, update of 2024 (Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300).
//!
//! The names of the items are short descriptions of our own; the papers have the text of the items.

mod claim;
mod tripod;

use lungs_spec::spec::Statements;
use std::collections::BTreeSet;

/// A place that can answer an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A section of the report, by its anchor.
    Section(&'static str),
    /// A file of the run folder.
    File(&'static str),
    /// A key of `[report.statements]`.
    Statement(&'static str),
}

/// How much of an item its places answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// All of it.
    Whole,
    /// A part of it; the authors add the rest.
    Part,
}

/// An item of a guideline.
#[derive(Clone, Copy, Debug)]
struct Item {
    number: &'static str,
    name: &'static str,
    places: &'static [Place],
    extent: Extent,
}

/// An item that its places answer.
const fn whole(number: &'static str, name: &'static str, places: &'static [Place]) -> Item {
    Item { number, name, places, extent: Extent::Whole }
}

/// An item that its places answer in part.
const fn part(number: &'static str, name: &'static str, places: &'static [Place]) -> Item {
    Item { number, name, places, extent: Extent::Part }
}

/// An item that only the authors can answer.
const fn author(number: &'static str, name: &'static str) -> Item {
    Item { number, name, places: &[], extent: Extent::Part }
}

/// Whether the run answers an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The run answers it.
    Answered,
    /// The run answers a part of it.
    InPart,
    /// The authors must answer it.
    Author,
}

impl Status {
    /// The status in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Answered => "answered by the run",
            Self::InPart => "in part; complete it",
            Self::Author => "for the authors",
        }
    }
}

/// The answer to an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `TRIPOD+AI` or `CLAIM 2024`.
    pub guideline: &'static str,
    /// Number of the item, such as `12a`.
    pub number: &'static str,
    /// What the item is about.
    pub name: &'static str,
    /// Whether the run answers it.
    pub status: Status,
    /// Anchors of sections of the report.
    pub sections: Vec<&'static str>,
    /// Files of the run folder.
    pub files: Vec<&'static str>,
    /// Keys of `[report.statements]` that would answer it and are not set.
    pub unset: Vec<&'static str>,
}

impl Answer {
    /// Names of the columns of `checklist.csv`.
    pub(crate) const COLUMNS: [&'static str; 6] =
        ["guideline", "item", "topic", "status", "where", "statement_to_set"];

    /// The row of `checklist.csv`.
    pub(crate) fn cells(&self) -> Vec<String> {
        let sections = self.sections.iter().map(|section| format!("report.html#{section}"));
        let places = sections.chain(self.files.iter().map(|file| (*file).to_owned()));
        let unset = self.unset.iter().map(|key| format!("report.statements.{key}"));
        vec![
            self.guideline.to_owned(),
            self.number.to_owned(),
            self.name.to_owned(),
            self.status.words().to_owned(),
            places.collect::<Vec<_>>().join("; "),
            unset.collect::<Vec<_>>().join("; "),
        ]
    }
}

/// The answers to every item of both guidelines. `sections` are the anchors of the report.
pub(crate) fn answers(statements: &Statements, sections: &BTreeSet<&str>) -> Vec<Answer> {
    let guidelines = [("TRIPOD+AI", &tripod::ITEMS[..]), ("CLAIM 2024", &claim::ITEMS[..])];
    let all =
        guidelines.into_iter().flat_map(|(name, items)| items.iter().map(move |item| (name, item)));
    all.map(|(guideline, item)| answer(guideline, item, statements, sections)).collect()
}

fn answer(
    guideline: &'static str,
    item: &Item,
    statements: &Statements,
    on_page: &BTreeSet<&str>,
) -> Answer {
    let (mut sections, mut files, mut unset) = (Vec::new(), Vec::new(), Vec::new());
    let mut add_section = |section| {
        if on_page.contains(section) && !sections.contains(&section) {
            sections.push(section);
        }
    };
    for place in item.places {
        match *place {
            Place::Section(section) => add_section(section),
            Place::File(file) => files.push(file),
            Place::Statement(key) if statements.get(key).is_some() => add_section("study"),
            Place::Statement(key) => unset.push(key),
        }
    }
    let status = if sections.is_empty() && files.is_empty() {
        Status::Author
    } else if item.extent == Extent::Whole && unset.is_empty() {
        Status::Answered
    } else {
        Status::InPart
    };
    let Item { number, name, .. } = *item;
    Answer { guideline, number, name, status, sections, files, unset }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections() -> BTreeSet<&'static str> {
        ["study", "metrics", "curves", "decisions", "groups", "cohort", "worst", "training"]
            .into_iter()
            .chain(["methods", "record", "population"])
            .collect()
    }

    #[test]
    fn both_guidelines_are_complete_and_every_place_exists() {
        // Collins et al. 2024: 27 items, 52 with sub-items.
        assert_eq!(tripod::ITEMS.len(), 52);
        let main: BTreeSet<&str> = tripod::ITEMS
            .iter()
            .map(|item| item.number.trim_end_matches(char::is_alphabetic))
            .collect();
        assert_eq!(main.len(), 27);
        // Tejani et al. 2024: 44 items.
        let numbers: Vec<String> = (1..=44).map(|number: u32| number.to_string()).collect();
        assert!(claim::ITEMS.iter().map(|item| item.number).eq(numbers.iter().map(String::as_str)));
        for item in tripod::ITEMS.iter().chain(&claim::ITEMS) {
            for place in item.places {
                match place {
                    Place::Section(section) => assert!(sections().contains(section), "{section}"),
                    Place::Statement(key) => assert!(
                        Statements::default().all().iter().any(|(name, _)| name == key),
                        "{key}"
                    ),
                    Place::File(_) => {}
                }
            }
        }
    }

    #[test]
    fn a_statement_answers_its_item() {
        let find = |statements: &Statements, number: &str| {
            answers(statements, &sections()).into_iter().find(|it| it.number == number).unwrap()
        };
        let none = find(&Statements::default(), "18a");
        assert_eq!((none.status, none.unset), (Status::Author, vec!["funding"]));
        let funded = Statements { funding: Some("None.".into()), ..Statements::default() };
        let answered = find(&funded, "18a");
        assert_eq!((answered.status, answered.sections), (Status::Answered, vec!["study"]));
        assert_eq!(find(&funded, "1").status, Status::Author);
        let performance = find(&funded, "23a");
        assert_eq!(performance.status, Status::Answered);
        assert!(performance.cells()[4].contains("report.html#metrics"), "{performance:?}");
        // A page without subgroups does not claim them.
        let fewer: BTreeSet<&str> = sections().into_iter().filter(|it| *it != "groups").collect();
        let heterogeneity =
            answers(&funded, &fewer).into_iter().find(|it| it.number == "23b").unwrap();
        assert_eq!(heterogeneity.status, Status::Author);
    }
}
