//! The HTML report as a whole.

use retrial_report::{About, Axis, Block, Curve, Curves, Report, Section, Table};

const ATTACK: &str = "<script>alert('x')</script> & \"quotes\" \0\x1b[31m\u{9b}\u{202e}\u{2066}\u{fffe} --> ]]>";

fn report() -> Report {
    let curves = Curves {
        x: Axis::log(ATTACK),
        y: Axis::linear(ATTACK),
        curves: vec![Curve::new(ATTACK, [(1.0, 2.0), (3.0, 4.0)])],
    };
    let figure = curves.figure(About::new("curves", ATTACK, ATTACK));
    let pair = (ATTACK.to_string(), ATTACK.to_string());
    let table = Table {
        caption: ATTACK.into(),
        head: vec![ATTACK.into(), "k".into()],
        rows: vec![vec![ATTACK.into(), "1,000".into(), "more than the head".into()], vec![]],
    };
    let blocks = [
        Block::Paragraph(ATTACK.into()),
        Block::Note(ATTACK.into()),
        Block::Table(table),
        Block::Details(vec![pair.clone()]),
        Block::Figure(figure.clone()),
        Block::Figure(figure),
        Block::Code(ATTACK.into()),
    ];
    Report {
        title: ATTACK.into(),
        lead: ATTACK.into(),
        facts: vec![pair],
        sections: vec![Section::new(ATTACK, blocks)],
    }
}

#[test]
fn nothing_a_caller_says_becomes_markup() {
    let page = report().html();
    assert!(!page.contains("<script") && !page.contains("alert('x')"));
    assert!(!page.contains(|c: char| c.is_control() && c != '\n' || "\u{202e}\u{2066}\u{fffe}".contains(c)));
    assert!(page.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;quotes&quot;").count() > 15);
}

#[test]
fn the_page_loads_nothing() {
    let page = report().html().replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for reference in ["http:", "https:", "src=", "@import", "url(", "<link", "<iframe", "javascript:"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn the_page_is_well_formed() {
    // Void elements are the only thing in which the page is not also XML.
    let page = report()
        .html()
        .replace("<!DOCTYPE html>", "")
        .replace("utf-8\">", "utf-8\"/>")
        .replace("scale=1\">", "scale=1\"/>");
    let document = roxmltree::Document::parse(&page).unwrap_or_else(|error| panic!("{error}\n{page}"));
    let count = |name| document.descendants().filter(|node| node.has_tag_name(name)).count();
    assert_eq!((count("figure"), count("table"), count("h1"), count("h2"), count("pre")), (2, 1, 1, 1, 1));
    let rows: Vec<_> = document.descendants().filter(|node| node.has_tag_name("tr")).collect();
    assert!(rows.iter().all(|row| row.children().filter(|child| child.is_element()).count() == 3));
    let numbers = document.descendants().filter(|node| node.attribute("class") == Some("number")).count();
    assert_eq!(numbers, 3, "the head and both cells of the one column of numbers");
}

#[test]
fn an_empty_report_is_a_page() {
    assert!(Report::default().html().starts_with("<!DOCTYPE html>"));
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    assert_eq!(report().html(), report().html());
}
