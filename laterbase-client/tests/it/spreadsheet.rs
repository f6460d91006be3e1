//! Spreadsheets to test with, as the smallest files that programs read as such.

/// A cell.
#[derive(Clone, Copy)]
pub(crate) enum Cell<'c> {
    Text(&'c str),
    Number(f64),
    /// A date and time: days since the end of 1899, and their fraction.
    Date(f64),
    Fault(&'c str),
    Empty,
}

/// The bytes of an `.xlsx` file with sheets of rows.
pub(crate) fn xlsx(sheets: &[(&str, &[Vec<Cell<'_>>])]) -> Vec<u8> {
    let mut zip = Zip::default();
    let kinds: String = (1..=sheets.len())
        .map(|number| format!(r#"<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>"#))
        .collect();
    zip.add("[Content_Types].xml", &format!(r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>{kinds}</Types>"#));
    let relation = |id: &str, kind: &str, target: &str| {
        format!(
            r#"<Relationship Id="{id}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" Target="{target}"/>"#
        )
    };
    let relations = |inner: &str| {
        format!(
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inner}</Relationships>"#
        )
    };
    zip.add("_rels/.rels", &relations(&relation("rId1", "officeDocument", "xl/workbook.xml")));
    let (mut names, mut targets) = (String::new(), relation("rIdS", "styles", "styles.xml"));
    for (index, (name, rows)) in sheets.iter().enumerate() {
        let number = index + 1;
        names += &format!(r#"<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>"#);
        let target = format!("worksheets/sheet{number}.xml");
        targets += &relation(&format!("rId{number}"), "worksheet", &target);
        zip.add(&format!("xl/{target}"), &sheet_of(rows));
    }
    zip.add("xl/workbook.xml", &format!(r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>{names}</sheets></workbook>"#));
    zip.add("xl/_rels/workbook.xml.rels", &relations(&targets));
    // Style 1 is that of a date and a time.
    zip.add("xl/styles.xml", r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>"#);
    zip.finish()
}

/// Cells that are empty are left out, as Excel does.
fn sheet_of(rows: &[Vec<Cell<'_>>]) -> String {
    let mut text = String::new();
    for (row, cells) in rows.iter().enumerate() {
        text += &format!(r#"<row r="{}">"#, row + 1);
        for (letter, cell) in ('A'..='Z').zip(cells) {
            let place = format!(r#"r="{letter}{}""#, row + 1);
            text += &match cell {
                Cell::Text(value) => {
                    format!(r#"<c {place} t="inlineStr"><is><t>{value}</t></is></c>"#)
                }
                Cell::Number(value) => format!("<c {place}><v>{value}</v></c>"),
                Cell::Date(value) => format!(r#"<c {place} s="1"><v>{value}</v></c>"#),
                Cell::Fault(value) => format!(r#"<c {place} t="e"><v>{value}</v></c>"#),
                Cell::Empty => String::new(),
            };
        }
        text += "</row>";
    }
    format!(
        r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{text}</sheetData></worksheet>"#
    )
}

/// The bytes of an `.ods` file with one sheet, of which the rows are given as XML.
pub(crate) fn ods(name: &str, rows: &str) -> Vec<u8> {
    let mut zip = Zip::default();
    zip.add("mimetype", "application/vnd.oasis.opendocument.spreadsheet");
    zip.add("META-INF/manifest.xml", r#"<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>"#);
    zip.add("content.xml", &format!(r#"<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet><table:table table:name="{name}">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"#));
    zip.finish()
}

/// An archive whose files are stored as they are.
#[derive(Default)]
struct Zip {
    files: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

impl Zip {
    fn add(&mut self, name: &str, text: &str) {
        let offset = u32::try_from(self.files.len()).unwrap();
        let length = u32::try_from(text.len()).unwrap();
        let mut facts = Vec::new();
        // Version, flags, method, time and date.
        for fact in [20_u16, 0, 0, 0, 0x21] {
            facts.extend(fact.to_le_bytes());
        }
        for fact in [crc32fast::hash(text.as_bytes()), length, length] {
            facts.extend(fact.to_le_bytes());
        }
        facts.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        facts.extend([0; 2]);
        self.files.extend(b"PK\x03\x04");
        self.files.extend(&facts);
        self.files.extend(name.as_bytes());
        self.files.extend(text.as_bytes());
        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(&facts);
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.count += 1;
    }

    fn finish(self) -> Vec<u8> {
        let Self { mut files, directory, count } = self;
        let offset = u32::try_from(files.len()).unwrap();
        let length = u32::try_from(directory.len()).unwrap();
        files.extend(directory);
        files.extend(b"PK\x05\x06\0\0\0\0");
        files.extend(count.to_le_bytes());
        files.extend(count.to_le_bytes());
        files.extend(length.to_le_bytes());
        files.extend(offset.to_le_bytes());
        files.extend([0; 2]);
        files
    }
}
