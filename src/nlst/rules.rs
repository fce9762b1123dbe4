//! From a screening to its label.
//!
//! ```text
//! days = candx_days − scr_days{year}
//! days < 0                 after the diagnosis: left out
//! 0 ≤ days < horizon       positive
//! days ≥ horizon           negative at this horizon, or left out
//! no lung cancer           negative, if followed up for as long as the rule wants
//! ```

use super::codes::Days;
use super::tables::{Arm, Cancers, Person};
use serde::{Deserialize, Serialize};

/// How labels are made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rules {
    /// A screening is positive when lung cancer is diagnosed within fewer days than this.
    pub horizon_days: i64,
    /// What becomes of screenings of persons who are diagnosed later than that.
    pub later_cancers: LaterCancers,
    /// What a screening of a person without lung cancer needs to be negative.
    pub follow_up: FollowUp,
    /// What becomes of a second exam in one study year.
    pub several_exams: SeveralExams,
    /// Series that are thicker than this by their description are left out; 0 is off.
    pub max_thickness_mm: f64,
    /// How many positive and negative exams are drawn at most; `None` takes all.
    pub sample: Sample,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            horizon_days: 365,
            later_cancers: LaterCancers::Negative,
            follow_up: FollowUp::CancFreeDays,
            several_exams: SeveralExams::Keep,
            max_thickness_mm: 0.0,
            sample: Sample::default(),
        }
    }
}

/// What becomes of screenings of persons who are diagnosed after the horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaterCancers {
    /// They are negative: there was no cancer within the horizon.
    Negative,
    /// They are left out.
    Exclude,
}

/// What shows that a person without lung cancer stayed free of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FollowUp {
    /// The last day on which the person was known to be free of lung cancer (`canc_free_days`) is
    /// at least the horizon after the screening.
    CancFreeDays,
    /// A screening of a later study year took place.
    LaterScreen,
    /// Nothing is asked for.
    None,
}

/// What becomes of a second exam in one study year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeveralExams {
    /// Each has the label of its study year.
    Keep,
    /// The one with most images is kept, of equals the one whose UID comes first.
    MostImages,
}

/// How many exams are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Of positive ones; `None` takes all.
    pub positives: Option<usize>,
    /// Of negative ones; `None` takes all.
    pub negatives: Option<usize>,
    /// Seed of the draw.
    pub seed: u64,
}

/// What is known of a screening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// 1 for cancer within the horizon.
    pub label: u8,
    /// Days from the screening to the first diagnosis; `None` without one.
    pub days_to_cancer: Option<i64>,
    /// Days from the screening to when a person without cancer was last known to be free of it.
    pub days_of_follow_up: Option<i64>,
}

/// Why something is left out: a short stable word and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The word.
    pub code: &'static str,
    /// The sentence.
    pub told: String,
}

/// A [`Reason`].
pub fn reason(code: &'static str, told: impl Into<String>) -> Reason {
    Reason { code, told: told.into() }
}

/// The label of a person's screening in a study year, or why there is none.
pub fn outcome(
    person: &Person,
    cancers: Option<&Cancers>,
    year: u8,
    rules: &Rules,
) -> Result<Outcome, Reason> {
    if person.arm == Some(Arm::Xray) {
        return Err(reason(
            "xray-arm",
            "rndgroup says radiography, so that scr_days are those of other exams",
        ));
    }
    let scr_days = format!("scr_days{year}");
    let screened = match person.screened[usize::from(year)] {
        Days::Known(days) => days,
        Days::Code('E') => {
            let told = format!("{scr_days} is .E: screened after the diagnosis of lung cancer");
            return Err(reason("after-diagnosis", told));
        }
        Days::Code('W') => {
            let told = format!("{scr_days} is .W: the wrong exam was made");
            return Err(reason("wrong-screen", told));
        }
        other => {
            let told = format!("{scr_days} has no day of the screening: {}", other.in_words());
            return Err(reason("no-screen-date", told));
        }
    };
    let noted = person.cancer_noted || cancers.is_some();
    let dated = person.diagnosed.known().or_else(|| cancers?.first_days);
    match dated {
        Some(diagnosed) => with_cancer(diagnosed - screened, rules),
        None if noted => Err(reason(
            "cancer-without-date",
            format!(
                "a lung cancer is on record, and candx_days is {}",
                person.diagnosed.in_words()
            ),
        )),
        None => without_cancer(person, year, screened, rules),
    }
}

fn with_cancer(days: i64, rules: &Rules) -> Result<Outcome, Reason> {
    let horizon = rules.horizon_days;
    if days < 0 {
        let told = format!("screened {} days after the diagnosis of lung cancer", -days);
        return Err(reason("after-diagnosis", told));
    }
    if days >= horizon && rules.later_cancers == LaterCancers::Exclude {
        let told = format!("lung cancer {days} days after the screening, horizon {horizon}");
        return Err(reason("later-cancer", told));
    }
    Ok(Outcome {
        label: u8::from(days < horizon),
        days_to_cancer: Some(days),
        days_of_follow_up: None,
    })
}

fn without_cancer(
    person: &Person,
    year: u8,
    screened: i64,
    rules: &Rules,
) -> Result<Outcome, Reason> {
    let followed = person.cancer_free.known().map(|days| days - screened);
    let horizon = rules.horizon_days;
    match rules.follow_up {
        FollowUp::None => {}
        FollowUp::CancFreeDays => match followed {
            Some(days) if days >= horizon => {}
            Some(days) => {
                let told =
                    format!("known to be free of lung cancer for {days} days, not {horizon}");
                return Err(reason("short-follow-up", told));
            }
            None => {
                let told = format!("canc_free_days is {}", person.cancer_free.in_words());
                return Err(reason("no-follow-up", told));
            }
        },
        FollowUp::LaterScreen => {
            let later = &person.screened[usize::from(year) + 1..];
            if !later.iter().any(|days| days.known().is_some_and(|days| days > screened)) {
                let told = format!("no screening after study year {year}");
                return Err(reason("no-later-screen", told));
            }
        }
    }
    Ok(Outcome { label: 0, days_to_cancer: None, days_of_follow_up: followed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(screened: [Days; 3], diagnosed: Days, cancer_free: Days) -> Person {
        Person {
            arm: None,
            age: Some(61),
            sex: "male",
            race: "",
            smoking: "",
            screened,
            diagnosed,
            cancer_free,
            cancer_noted: false,
            stage: "",
        }
    }

    fn known(days: i64) -> Days {
        Days::Known(days)
    }

    /// What becomes of the first screening, at day 10, of a person diagnosed on a day.
    fn first_of(diagnosed: i64, rules: &Rules) -> Result<u8, &'static str> {
        let person = person([known(10), known(375), Days::Blank], known(diagnosed), Days::Blank);
        outcome(&person, None, 0, rules).map(|it| it.label).map_err(|why| why.code)
    }

    #[test]
    fn the_borders_of_the_horizon_are_where_the_rule_says() {
        let rules = Rules::default();
        assert_eq!(first_of(9, &rules), Err("after-diagnosis"));
        assert_eq!(first_of(10, &rules), Ok(1));
        assert_eq!(first_of(374, &rules), Ok(1));
        assert_eq!(first_of(375, &rules), Ok(0));
        assert_eq!(first_of(3000, &rules), Ok(0));
        let strict = Rules { later_cancers: LaterCancers::Exclude, ..rules };
        assert_eq!(first_of(374, &strict), Ok(1));
        assert_eq!(first_of(375, &strict), Err("later-cancer"));
    }

    proptest! {
        #[test]
        fn a_screening_is_positive_exactly_within_the_horizon(
            screened in 0i64..1200, diagnosed in 0i64..3000, horizon in 1i64..2200,
        ) {
            let rules = Rules { horizon_days: horizon, ..Rules::default() };
            let person = person([known(screened), Days::Blank, Days::Blank], known(diagnosed), Days::Blank);
            let days = diagnosed - screened;
            match outcome(&person, None, 0, &rules) {
                Err(why) => prop_assert!(days < 0 && why.code == "after-diagnosis"),
                Ok(told) => {
                    prop_assert_eq!(told.label == 1, days >= 0 && days < horizon);
                    prop_assert_eq!(told.days_to_cancer, Some(days));
                }
            }
        }
    }

    #[test]
    fn codes_of_a_screening_are_reasons_of_their_own() {
        let screened = [Days::Code('E'), Days::Code('W'), Days::Code('N')];
        let person = person(screened, Days::Code('N'), known(2000));
        let code = |year| outcome(&person, None, year, &Rules::default()).unwrap_err().code;
        assert_eq!(
            [code(0), code(1), code(2)],
            ["after-diagnosis", "wrong-screen", "no-screen-date"]
        );
    }

    #[test]
    fn each_follow_up_rule_asks_for_what_it_says() {
        let short = person([known(5), known(370), known(735)], Days::Code('N'), known(1099));
        let told = |person: &Person, year, follow_up| {
            let rules = Rules { follow_up, ..Rules::default() };
            outcome(person, None, year, &rules).map(|it| it.label).map_err(|why| why.code)
        };
        // 1099 − 735 is 364 days, one too few.
        assert_eq!(told(&short, 2, FollowUp::CancFreeDays), Err("short-follow-up"));
        assert_eq!(told(&short, 1, FollowUp::CancFreeDays), Ok(0));
        assert_eq!(told(&short, 2, FollowUp::LaterScreen), Err("no-later-screen"));
        assert_eq!(told(&short, 1, FollowUp::LaterScreen), Ok(0));
        assert_eq!(told(&short, 2, FollowUp::None), Ok(0));
        let unknown = person([known(5), Days::Blank, Days::Blank], Days::Code('N'), Days::Blank);
        assert_eq!(told(&unknown, 0, FollowUp::CancFreeDays), Err("no-follow-up"));
        assert_eq!(told(&unknown, 0, FollowUp::LaterScreen), Err("no-later-screen"));
    }

    #[test]
    fn a_cancer_without_a_date_is_no_negative() {
        let mut noted = person([known(5); 3], Days::Code('N'), known(2000));
        noted.cancer_noted = true;
        let rules = Rules { follow_up: FollowUp::None, ..Rules::default() };
        assert_eq!(outcome(&noted, None, 0, &rules).unwrap_err().code, "cancer-without-date");
        let dated = Cancers { first_days: Some(100) };
        assert_eq!(outcome(&noted, Some(&dated), 0, &rules).unwrap().label, 1);
        noted.cancer_noted = false;
        let undated = Cancers { first_days: None };
        let code = outcome(&noted, Some(&undated), 0, &rules).unwrap_err().code;
        assert_eq!(code, "cancer-without-date");
    }

    #[test]
    fn the_other_arm_has_no_ct() {
        let mut other = person([known(5); 3], Days::Code('N'), known(2000));
        other.arm = Some(Arm::Xray);
        assert_eq!(outcome(&other, None, 0, &Rules::default()).unwrap_err().code, "xray-arm");
    }
}
