//! A page as text, taken apart by what is known of it: tables by their captions.

/// A report.
pub struct Page {
    /// As it stands in the file.
    pub html: String,
}

impl Page {
    /// A page that is whole.
    #[track_caller]
    pub fn new(html: String) -> Page {
        assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"));
        assert!(html.ends_with("</html>"));
        Page { html }
    }

    /// Whether the text stands in the page, tags left out.
    pub fn says(&self, text: &str) -> bool {
        plain(&self.html).contains(text)
    }

    /// The cells of the table whose caption begins like this, row by row, without its head.
    #[track_caller]
    pub fn table(&self, caption: &str) -> Vec<Vec<String>> {
        let begin = format!("<caption>{caption}");
        let (_, table) = self
            .html
            .split_once(&begin)
            .unwrap_or_else(|| panic!("no table {caption}"));
        let (table, _) = table.split_once("</table>").unwrap();
        let (_, body) = table.split_once("<tbody>").unwrap();
        let rows = body.split("<tr>").skip(1);
        rows.map(|row| {
            let row = row.replace("</td>", "</th>");
            let cells = row.split("</th>").map(|cell| plain(cell).trim().to_owned());
            let cells: Vec<String> = cells.collect();
            cells[..cells.len() - 1].to_vec()
        })
        .collect()
    }

    /// A key figure by its name.
    #[track_caller]
    pub fn figure(&self, name: &str) -> String {
        let begin = format!("<dt>{name}</dt><dd>");
        let (_, rest) = self
            .html
            .split_once(&begin)
            .unwrap_or_else(|| panic!("no figure {name}"));
        rest.split_once("</dd>").unwrap().0.to_owned()
    }
}

/// A count of a table, without the commas.
#[track_caller]
pub fn count(cell: &str) -> i64 {
    cell.replace(',', "")
        .parse()
        .unwrap_or_else(|_| panic!("{cell} is no count"))
}

/// Text without tags, characters as they are.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => inside = false,
            _ if inside => {}
            c => text.push(c),
        }
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}
