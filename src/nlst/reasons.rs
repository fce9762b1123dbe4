//! Reasons why a person, an exam or a series of the trial has no label.

use lungs_image::codes::ExclusionCode;
use serde::{Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;

/// The code of a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReasonCode {
    /// Derived copies.
    Derived,
    /// Listed more than once.
    RepeatedRow,
    /// Listed in several exams.
    SeriesOfSeveralExams,
    /// With an unreadable row in the index.
    UnreadableRow,
    /// Listed under several patients.
    ExamOfSeveralPatients,
    /// Of persons with an unreadable row.
    UnreadablePerson,
    /// Of persons with contradictory rows.
    ContradictoryPerson,
    /// Thicker than the limit.
    TooThick,
    /// Of patients missing in the table of persons.
    UnknownPerson,
    /// Of the radiography arm.
    XrayArm,
    /// Without a usable series.
    NoSeries,
    /// Of unknown study year.
    NoStudyYear,
    /// Of conflicting study years.
    ConflictingYears,
    /// Of the wrong kind of exam.
    WrongScreen,
    /// Without a day of the screening.
    NoScreenDate,
    /// After the diagnosis.
    AfterDiagnosis,
    /// With a cancer of unknown date.
    CancerWithoutDate,
    /// With cancer after the horizon.
    LaterCancer,
    /// With too short a follow-up.
    ShortFollowUp,
    /// Without follow-up.
    NoFollowUp,
    /// Without a later screening.
    NoLaterScreen,
    /// Second exams of a study year.
    SecondExam,
    /// Not drawn.
    NotDrawn,
    /// The series is not one volume.
    Image(ExclusionCode),
}

impl ReasonCode {
    /// The spelling in tables.
    pub fn code(&self) -> &str {
        match self {
            Self::Derived => "derived",
            Self::RepeatedRow => "repeated-row",
            Self::SeriesOfSeveralExams => "series-of-several-exams",
            Self::UnreadableRow => "unreadable-row",
            Self::ExamOfSeveralPatients => "exam-of-several-patients",
            Self::UnreadablePerson => "unreadable-person",
            Self::ContradictoryPerson => "contradictory-person",
            Self::TooThick => "too-thick",
            Self::UnknownPerson => "unknown-person",
            Self::XrayArm => "xray-arm",
            Self::NoSeries => "no-series",
            Self::NoStudyYear => "no-study-year",
            Self::ConflictingYears => "conflicting-years",
            Self::WrongScreen => "wrong-screen",
            Self::NoScreenDate => "no-screen-date",
            Self::AfterDiagnosis => "after-diagnosis",
            Self::CancerWithoutDate => "cancer-without-date",
            Self::LaterCancer => "later-cancer",
            Self::ShortFollowUp => "short-follow-up",
            Self::NoFollowUp => "no-follow-up",
            Self::NoLaterScreen => "no-later-screen",
            Self::SecondExam => "second-exam",
            Self::NotDrawn => "not-drawn",
            Self::Image(code) => code.code(),
        }
    }

    /// Words for the flow, as in "3 excluded: localizers".
    pub fn words(&self) -> &str {
        match self {
            Self::Derived => "derived copies",
            Self::RepeatedRow => "listed more than once",
            Self::SeriesOfSeveralExams => "listed in several exams",
            Self::UnreadableRow => "with an unreadable row in the index",
            Self::ExamOfSeveralPatients => "listed under several patients",
            Self::UnreadablePerson => "of persons with an unreadable row",
            Self::ContradictoryPerson => "of persons with contradictory rows",
            Self::TooThick => "thicker than the limit",
            Self::UnknownPerson => "of patients missing in the table of persons",
            Self::XrayArm => "of the radiography arm",
            Self::NoSeries => "without a usable series",
            Self::NoStudyYear => "of unknown study year",
            Self::ConflictingYears => "of conflicting study years",
            Self::WrongScreen => "of the wrong kind of exam",
            Self::NoScreenDate => "without a day of the screening",
            Self::AfterDiagnosis => "after the diagnosis",
            Self::CancerWithoutDate => "with a cancer of unknown date",
            Self::LaterCancer => "with cancer after the horizon",
            Self::ShortFollowUp => "with too short a follow-up",
            Self::NoFollowUp => "without follow-up",
            Self::NoLaterScreen => "without a later screening",
            Self::SecondExam => "second exams of a study year",
            Self::NotDrawn => "not drawn",
            Self::Image(ExclusionCode::Localizer) => "localizers",
            Self::Image(ExclusionCode::NoSlices) => "without slices",
            Self::Image(code) => code.code(),
        }
    }
}

impl Ord for ReasonCode {
    fn cmp(&self, other: &Self) -> Ordering {
        self.code().cmp(other.code())
    }
}

impl PartialOrd for ReasonCode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq<&str> for ReasonCode {
    fn eq(&self, code: &&str) -> bool {
        self.code() == *code
    }
}

impl Serialize for ReasonCode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The reason of an exclusion: a code and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The code.
    pub code: ReasonCode,
    /// The sentence.
    pub message: String,
}

/// Makes a [`Reason`].
pub fn reason(code: ReasonCode, message: impl Into<String>) -> Reason {
    Reason { code, message: message.into() }
}
