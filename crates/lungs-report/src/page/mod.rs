//! Layout of all HTML pages: a single file without external resources, in light and dark, readable on a
//! phone and in print.
//!
//! ```text
//!   Page { title, lead, body, style, script } ──► HTML text, the same bytes every time
//! ```
//!
//! Bodies are written with `maud`: templates are Rust, checked at compile time, and every text is
//! escaped unless it is `PreEscaped`. The content security policy allows the page's own style and script
//! by their hashes, embedded pictures and pictures from files; a text that was not escaped cannot
//! run as a script.

mod links;

use base64::Engine;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

pub(crate) use links::folder_link;
pub use links::link;

/// The shared style of all pages.
const STYLE: &str = include_str!("page.css");

/// Content of a page.
pub struct Page<'a> {
    /// Title and heading.
    pub title: &'a str,
    /// One line below the heading that describes the page.
    pub lead: &'a str,
    /// The content.
    pub body: Markup,
    /// Additional style of this page.
    pub style: &'a str,
    /// Script of this page; the page must be complete without it.
    pub script: &'a str,
}

impl Page<'_> {
    /// The page as HTML.
    pub(crate) fn to_html(&self) -> String {
        let style = format!("{STYLE}{}{}", super::plot::page_colours(), self.style);
        let policy = format!(
            "default-src 'none'; img-src 'self' file: data:; style-src {}; script-src {}; \
             base-uri 'none'; form-action 'none'",
            hash_source(&style),
            if self.script.is_empty() { "'none'".to_owned() } else { hash_source(self.script) }
        );
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    title { (self.title) }
                    style { (PreEscaped(style)) }
                }
                "\n"
                body {
                    header { h1 { (self.title) } p.lead { (self.lead) } }
                    "\n"
                    main { (self.body) }
                    @if !self.script.is_empty() {
                        "\n"
                        script { (PreEscaped(self.script)) }
                    }
                }
            }
            "\n"
        };
        page.into_string()
    }
}

/// The hash source of a content security policy: `'sha256-…'`.
fn hash_source(text: &str) -> String {
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!("'sha256-{hash}'")
}

/// A UID or other long name, shortened to its last characters, where UIDs differ. The `title` attribute has
/// the full name.
pub(crate) fn short_uid(uid: &str) -> Markup {
    const LENGTH: usize = 10;
    let characters = uid.chars().count();
    let end: String = uid.chars().skip(characters.saturating_sub(LENGTH)).collect();
    html! {
        @if characters > LENGTH + 1 { span.uid title=(uid) { "…" (end) } }
        @else { span.uid { (uid) } }
    }
}

/// A number with at most `decimals` decimals, without trailing zeros.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let text = if text == "-0" { "0" } else { text };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_one_file_with_a_policy_that_names_its_own_script_only() {
        let page = Page {
            title: "A <b> & \"c\"",
            lead: "</title><script>alert(1)</script>",
            body: html! { p { "x" } },
            style: "",
            script: "let a = 1 < 2;",
        };
        let html = page.to_html();
        assert!(html.contains("<title>A &lt;b&gt; &amp; &quot;c&quot;</title>"), "{html}");
        assert!(html.contains("&lt;/title&gt;&lt;script&gt;alert(1)"));
        assert_eq!(html.matches("<script").count(), 1);
        assert!(html.contains("<script>let a = 1 < 2;</script>"));
        // sha256 of the script, by openssl.
        assert!(
            html.contains("script-src 'sha256-Xd/xFl+DmsVqHczJvGQWMh7nLH7H7r5iGmQKRm0JimU='"),
            "{html}"
        );
        assert!(!html.contains("http://") && !html.contains("https://"));
        assert!(Page { script: "", ..page }.to_html().contains("script-src 'none'"));
    }

    #[test]
    fn numbers_and_uids_are_short() {
        assert_eq!(number(2.5, 2), "2.5");
        assert_eq!(number(0.703_125, 2), "0.7");
        assert_eq!(number(120.0, 0), "120");
        assert_eq!(number(-1024.0, 0), "−1024");
        assert_eq!(number(-0.001, 2), "0");
        assert_eq!(short_uid("1.2.3").into_string(), "<span class=\"uid\">1.2.3</span>");
        assert_eq!(
            short_uid("1.2.840.10008.\"é123").into_string(),
            "<span class=\"uid\" title=\"1.2.840.10008.&quot;é123\">…0008.&quot;é123</span>"
        );
    }
}
