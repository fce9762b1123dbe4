//! The section on reporting guidelines: which item the run answers, and where.

use super::RunPage;
use crate::checklist::{Answer, Status};
use maud::{Markup, html};

pub(super) fn section(page: &RunPage) -> Markup {
    let count = |status: Status| page.checklist.iter().filter(|it| it.status == status).count();
    html! {
        section #checklist {
            h2 { "Reporting guidelines" }
            p.soft {
                "Of " (page.checklist.len()) " items of TRIPOD+AI (Collins et al. 2024) and CLAIM 2024 (Tejani et \
                 al. 2024), this run answers " (count(Status::Answered)) " and a part of "
                (count(Status::InPart)) "; " (count(Status::Author)) " are for the authors. The papers have the \
                 text of the items; " code { "checklist.csv" } " has this table."
            }
            @for guideline in ["TRIPOD+AI", "CLAIM 2024"] {
                details {
                    summary { h3 { (guideline) } }
                    (items(page.checklist.iter().filter(|it| it.guideline == guideline)))
                }
            }
        }
    }
}

fn items<'a>(answers: impl Iterator<Item = &'a Answer>) -> Markup {
    html! {
        div.wide { table {
            thead { tr { th { "item" } th { "topic" } th { "answer" } th { "where" } } }
            tbody { @for answer in answers {
                tr {
                    td { (answer.number) }
                    td data-of="topic" { (answer.name) }
                    td data-of="answer" { (answer.status.words()) }
                    td data-of="where" { span { (places(answer)) } }
                }
                "\n"
            } }
        } }
    }
}

/// Links to sections, names of files, and keys that would answer the item.
fn places(answer: &Answer) -> Markup {
    html! {
        @for section in &answer.sections { a href={ "#" (section) } { (section) } " " }
        @for file in &answer.files { code { (file) } " " }
        @for key in &answer.unset { span.soft { "set " code { "report.statements." (key) } } " " }
    }
}
