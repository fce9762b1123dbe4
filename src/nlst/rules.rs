//! The label of a screening.
//!
//! ```text
//! days = candx_days − scr_days{year}
//! days < 0                 after the diagnosis: excluded
//! 0 ≤ days < horizon       positive
//! days ≥ horizon           negative at this horizon, or excluded
//! no lung cancer           negative, if the follow-up is as long as the rule requires
//! ```
//!
//! For a survival outcome, every screening with a time keeps it: the days to cancer, or the days without it.

use super::codes::Days;
use super::person::{Arm, Cancers, Person};
use super::reasons::{Reason, ReasonCode, reason};
use lungs_base::follow_up::{self, DAYS_PER_YEAR, Status};
use serde::{Deserialize, Serialize};

/// Rules for labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rules {
    /// The labels: cancer within the horizon, or times.
    #[serde(skip_serializing_if = "LabelledOutcome::is_binary")]
    pub outcome: LabelledOutcome,
    /// A screening is positive when lung cancer is diagnosed within fewer days than this.
    pub horizon_days: i64,
    /// Label of screenings of persons who are diagnosed after the horizon.
    pub later_cancers: LaterCancers,
    /// Follow-up that a screening of a person without lung cancer needs for a negative label.
    pub follow_up: FollowUp,
    /// Use of a second exam in one study year.
    pub several_exams: SeveralExams,
    /// Series with thicker slices by their description are excluded; 0 disables the limit.
    pub max_thickness_mm: f64,
    /// Maximum number of positive and negative exams.
    pub sample: Sample,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            outcome: LabelledOutcome::Binary,
            horizon_days: 365,
            later_cancers: LaterCancers::Negative,
            follow_up: FollowUp::CancFreeDays,
            several_exams: SeveralExams::Keep,
            max_thickness_mm: 0.0,
            sample: Sample::default(),
        }
    }
}

/// What the labels tell about an exam.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LabelledOutcome {
    /// Whether cancer was diagnosed within the horizon. Exams of unknown label are excluded.
    Binary,
    /// The days to the diagnosis, or to the end of the follow-up. The label is that of one year, and empty if it is
    /// unknown.
    Survival,
}

impl LabelledOutcome {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_binary(&self) -> bool {
        *self == Self::Binary
    }
}

/// Label of screenings of persons who are diagnosed after the horizon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaterCancers {
    /// Negative: no cancer was diagnosed within the horizon.
    Negative,
    /// No label: they are excluded.
    Exclude,
}

/// Evidence that a person stayed free of lung cancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FollowUp {
    /// The last day on which the person was known to be free of lung cancer (`canc_free_days`) is
    /// at least the horizon after the screening.
    CancFreeDays,
    /// A screening of a later study year took place.
    LaterScreen,
    /// No evidence is required.
    None,
}

/// Use of a second exam in one study year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeveralExams {
    /// Each has the label of its study year.
    Keep,
    /// The exam with most images is kept; ties go to the first UID.
    MostImages,
}

/// Number of exams to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Positive exams; `None` takes all.
    pub positives: Option<usize>,
    /// Negative exams; `None` takes all.
    pub negatives: Option<usize>,
    /// Seed of the draw.
    pub seed: u64,
}

/// The label of a screening and the days behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether cancer was diagnosed within the horizon; `None` if it is unknown, for a survival outcome.
    pub label: Option<bool>,
    /// Days from the screening to the first diagnosis; `None` without one.
    pub days_to_cancer: Option<i64>,
    /// Days from the screening to the last day on which a person without cancer was known to be free
    /// of it.
    pub days_of_follow_up: Option<i64>,
    /// The time of a survival outcome.
    pub follow_up: Option<DaysFollowed>,
}

/// Days from a screening to the first diagnosis, or to the end of the follow-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaysFollowed {
    /// The days.
    pub days: i64,
    /// Whether they end with a diagnosis.
    pub event: bool,
}

impl DaysFollowed {
    /// Status at a number of years.
    pub fn status_at(self, years: f64) -> Status {
        let time_years = self.days as f64 / DAYS_PER_YEAR;
        follow_up::FollowUp { time_years, event: self.event }.status_at(years)
    }

    /// Cancer within a year; `None` if it is unknown.
    fn label(self) -> Option<bool> {
        match self.status_at(1.0) {
            Status::Cancer => Some(true),
            Status::Free => Some(false),
            Status::Unknown => None,
        }
    }
}

/// The label of a person's screening in a study year, or the reason of its exclusion.
pub fn outcome(
    person: &Person,
    cancers: Option<&Cancers>,
    year: u8,
    rules: &Rules,
) -> Result<Outcome, Reason> {
    if person.arm == Some(Arm::Xray) {
        return Err(reason(
            ReasonCode::XrayArm,
            "rndgroup is radiography, so scr_days belong to radiographs",
        ));
    }
    let scr_days = format!("scr_days{year}");
    let screen_day = match person.screen_days[usize::from(year)] {
        Days::Known(days) => days,
        Days::Code('E') => {
            let message = format!("{scr_days} is .E: screened after the diagnosis of lung cancer");
            return Err(reason(ReasonCode::AfterDiagnosis, message));
        }
        Days::Code('W') => {
            let message = format!("{scr_days} is .W: the wrong exam was made");
            return Err(reason(ReasonCode::WrongScreen, message));
        }
        other => {
            let message =
                format!("{scr_days} is {}, expected the day of the screening", other.to_text());
            return Err(reason(ReasonCode::NoScreenDate, message));
        }
    };
    let has_cancer = person.has_cancer_record || cancers.is_some();
    let diagnosis_day = person.diagnosis_day.known().or_else(|| cancers?.first_days);
    let survival = rules.outcome == LabelledOutcome::Survival;
    match diagnosis_day {
        Some(diagnosis_day) if survival => time_to_cancer(diagnosis_day - screen_day),
        Some(diagnosis_day) => with_cancer(diagnosis_day - screen_day, rules),
        None if has_cancer => Err(reason(
            ReasonCode::CancerWithoutDate,
            format!(
                "a lung cancer is on record, but candx_days is {}",
                person.diagnosis_day.to_text()
            ),
        )),
        None if survival => time_without_cancer(person, year, screen_day, rules),
        None => without_cancer(person, year, screen_day, rules),
    }
}

/// `1 day`, `365 days`, `-2 days`
fn days_text(days: i64) -> String {
    format!("{days} {}", if days == 1 { "day" } else { "days" })
}

fn check_before_diagnosis(days: i64) -> Result<(), Reason> {
    if days < 0 {
        let message = format!("screened {} after the diagnosis of lung cancer", days_text(-days));
        return Err(reason(ReasonCode::AfterDiagnosis, message));
    }
    Ok(())
}

fn time_to_cancer(days: i64) -> Result<Outcome, Reason> {
    check_before_diagnosis(days)?;
    let follow_up = DaysFollowed { days, event: true };
    Ok(Outcome {
        label: follow_up.label(),
        days_to_cancer: Some(days),
        days_of_follow_up: None,
        follow_up: Some(follow_up),
    })
}

/// The time without cancer: to the last day on which the person was known to be free of it, or to the last later
/// screening.
fn time_without_cancer(
    person: &Person,
    year: u8,
    screen_day: i64,
    rules: &Rules,
) -> Result<Outcome, Reason> {
    let days = if rules.follow_up == FollowUp::LaterScreen {
        let later =
            person.screen_days[usize::from(year) + 1..].iter().filter_map(|day| day.known());
        let last = later.max().filter(|day| *day > screen_day);
        let message = format!("no screening after study year {year}");
        last.ok_or_else(|| reason(ReasonCode::NoLaterScreen, message))? - screen_day
    } else {
        known_free_days(person, screen_day)?
    };
    if days <= 0 {
        let message = format!("known to be free of lung cancer for {}", days_text(days));
        return Err(reason(ReasonCode::ShortFollowUp, message));
    }
    let follow_up = DaysFollowed { days, event: false };
    Ok(Outcome {
        label: follow_up.label(),
        days_to_cancer: None,
        days_of_follow_up: Some(days),
        follow_up: Some(follow_up),
    })
}

/// Days from a screening to the last day on which the person was known to be free of lung cancer.
fn known_free_days(person: &Person, screen_day: i64) -> Result<i64, Reason> {
    person.cancer_free_day.known().map(|day| day - screen_day).ok_or_else(|| {
        let message = format!("canc_free_days is {}", person.cancer_free_day.to_text());
        reason(ReasonCode::NoFollowUp, message)
    })
}

fn with_cancer(days: i64, rules: &Rules) -> Result<Outcome, Reason> {
    let horizon = rules.horizon_days;
    check_before_diagnosis(days)?;
    if days >= horizon && rules.later_cancers == LaterCancers::Exclude {
        let message = format!(
            "lung cancer {} after the screening, beyond the horizon of {}",
            days_text(days),
            days_text(horizon)
        );
        return Err(reason(ReasonCode::LaterCancer, message));
    }
    Ok(Outcome {
        label: Some(days < horizon),
        days_to_cancer: Some(days),
        days_of_follow_up: None,
        follow_up: None,
    })
}

fn without_cancer(
    person: &Person,
    year: u8,
    screen_day: i64,
    rules: &Rules,
) -> Result<Outcome, Reason> {
    let follow_up_days = person.cancer_free_day.known().map(|days| days - screen_day);
    let horizon = rules.horizon_days;
    match rules.follow_up {
        FollowUp::None => {}
        FollowUp::CancFreeDays => {
            let days = known_free_days(person, screen_day)?;
            if days < horizon {
                let message = format!(
                    "known to be free of lung cancer for {}, not {horizon}",
                    days_text(days)
                );
                return Err(reason(ReasonCode::ShortFollowUp, message));
            }
        }
        FollowUp::LaterScreen => {
            let later = &person.screen_days[usize::from(year) + 1..];
            if !later.iter().any(|days| days.known().is_some_and(|days| days > screen_day)) {
                let message = format!("no screening after study year {year}");
                return Err(reason(ReasonCode::NoLaterScreen, message));
            }
        }
    }
    Ok(Outcome {
        label: Some(false),
        days_to_cancer: None,
        days_of_follow_up: follow_up_days,
        follow_up: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn person(screen_days: [Days; 3], diagnosis_day: Days, cancer_free_day: Days) -> Person {
        Person {
            arm: None,
            age: Some(61),
            sex: "male",
            race: "",
            smoking: "",
            screen_days,
            diagnosis_day,
            cancer_free_day,
            has_cancer_record: false,
            stage: "",
        }
    }

    fn known(days: i64) -> Days {
        Days::Known(days)
    }

    fn is_positive(outcome: Outcome) -> bool {
        outcome.label.unwrap()
    }

    /// Label or code of the first screening, on day 10, of a person diagnosed on a day.
    fn first_screening(diagnosis_day: i64, rules: &Rules) -> Result<bool, ReasonCode> {
        let person =
            person([known(10), known(375), Days::Blank], known(diagnosis_day), Days::Blank);
        outcome(&person, None, 0, rules).map(is_positive).map_err(|reason| reason.code)
    }

    #[test]
    fn the_limits_of_the_horizon_are_exact() {
        let rules = Rules::default();
        assert_eq!(first_screening(9, &rules), Err(ReasonCode::AfterDiagnosis));
        assert_eq!(first_screening(10, &rules), Ok(true));
        assert_eq!(first_screening(374, &rules), Ok(true));
        assert_eq!(first_screening(375, &rules), Ok(false));
        assert_eq!(first_screening(3000, &rules), Ok(false));
        let strict = Rules { later_cancers: LaterCancers::Exclude, ..rules };
        assert_eq!(first_screening(374, &strict), Ok(true));
        assert_eq!(first_screening(375, &strict), Err(ReasonCode::LaterCancer));
    }

    proptest! {
        #[test]
        fn a_screening_is_positive_exactly_within_the_horizon(
            screen_day in 0i64..1200, diagnosis_day in 0i64..3000, horizon in 1i64..2200,
        ) {
            let rules = Rules { horizon_days: horizon, ..Rules::default() };
            let person = person([known(screen_day), Days::Blank, Days::Blank], known(diagnosis_day), Days::Blank);
            let days = diagnosis_day - screen_day;
            match outcome(&person, None, 0, &rules) {
                Err(reason) => prop_assert!(days < 0 && reason.code == "after-diagnosis"),
                Ok(outcome) => {
                    prop_assert_eq!(outcome.label, Some(days >= 0 && days < horizon));
                    prop_assert_eq!(outcome.days_to_cancer, Some(days));
                }
            }
        }
    }

    #[test]
    fn each_code_of_a_screening_has_its_reason() {
        let screen_days = [Days::Code('E'), Days::Code('W'), Days::Code('N')];
        let person = person(screen_days, Days::Code('N'), known(2000));
        let code = |year| outcome(&person, None, year, &Rules::default()).unwrap_err().code;
        assert_eq!(
            [code(0), code(1), code(2)],
            ["after-diagnosis", "wrong-screen", "no-screen-date"]
        );
    }

    #[test]
    fn follow_up_rules_require_their_evidence() {
        let short = person([known(5), known(370), known(735)], Days::Code('N'), known(1099));
        let label = |person: &Person, year, follow_up| {
            let rules = Rules { follow_up, ..Rules::default() };
            outcome(person, None, year, &rules).map(is_positive).map_err(|reason| reason.code)
        };
        // 1099 − 735 is 364 days, one too few.
        assert_eq!(label(&short, 2, FollowUp::CancFreeDays), Err(ReasonCode::ShortFollowUp));
        assert_eq!(label(&short, 1, FollowUp::CancFreeDays), Ok(false));
        assert_eq!(label(&short, 2, FollowUp::LaterScreen), Err(ReasonCode::NoLaterScreen));
        assert_eq!(label(&short, 1, FollowUp::LaterScreen), Ok(false));
        assert_eq!(label(&short, 2, FollowUp::None), Ok(false));
        let unknown = person([known(5), Days::Blank, Days::Blank], Days::Code('N'), Days::Blank);
        assert_eq!(label(&unknown, 0, FollowUp::CancFreeDays), Err(ReasonCode::NoFollowUp));
        assert_eq!(label(&unknown, 0, FollowUp::LaterScreen), Err(ReasonCode::NoLaterScreen));
    }

    #[test]
    fn a_cancer_without_a_date_is_not_negative() {
        let mut person = person([known(5); 3], Days::Code('N'), known(2000));
        person.has_cancer_record = true;
        let rules = Rules { follow_up: FollowUp::None, ..Rules::default() };
        assert_eq!(outcome(&person, None, 0, &rules).unwrap_err().code, "cancer-without-date");
        let with_date = Cancers { first_days: Some(100) };
        assert!(is_positive(outcome(&person, Some(&with_date), 0, &rules).unwrap()));
        person.has_cancer_record = false;
        let without_date = Cancers { first_days: None };
        let code = outcome(&person, Some(&without_date), 0, &rules).unwrap_err().code;
        assert_eq!(code, "cancer-without-date");
    }

    #[test]
    fn a_survival_outcome_keeps_every_time_and_the_label_of_a_known_year() {
        let survival = Rules { outcome: LabelledOutcome::Survival, ..Rules::default() };
        let of = |diagnosis: Days, free: Days, year, rules: &Rules| {
            let person = person([known(10), known(375), Days::Blank], diagnosis, free);
            let outcome = outcome(&person, None, year, rules).map_err(|reason| reason.code)?;
            let DaysFollowed { days, event } = outcome.follow_up.unwrap();
            Ok((days, event, outcome.label))
        };
        let cancer = |day| of(known(day), Days::Blank, 0, &survival);
        assert_eq!(cancer(10), Ok((0, true, Some(true))));
        assert_eq!(cancer(375), Ok((365, true, Some(true))));
        assert_eq!(cancer(376), Ok((366, true, Some(false))));
        assert_eq!(cancer(9), Err(ReasonCode::AfterDiagnosis));
        let free = |day| of(Days::Code('N'), known(day), 0, &survival);
        assert_eq!(free(376), Ok((366, false, Some(false))));
        assert_eq!(free(375), Ok((365, false, None)));
        assert_eq!(free(11), Ok((1, false, None)));
        assert_eq!(free(10), Err(ReasonCode::ShortFollowUp));
        assert_eq!(of(Days::Code('N'), Days::Blank, 0, &survival), Err(ReasonCode::NoFollowUp));
        let later = Rules { follow_up: FollowUp::LaterScreen, ..survival };
        assert_eq!(of(Days::Code('N'), known(9000), 0, &later), Ok((365, false, None)));
        assert_eq!(of(Days::Code('N'), known(9000), 1, &later), Err(ReasonCode::NoLaterScreen));
    }

    #[test]
    fn the_radiography_arm_is_excluded() {
        let mut other = person([known(5); 3], Days::Code('N'), known(2000));
        other.arm = Some(Arm::Xray);
        assert_eq!(outcome(&other, None, 0, &Rules::default()).unwrap_err().code, "xray-arm");
    }
}
