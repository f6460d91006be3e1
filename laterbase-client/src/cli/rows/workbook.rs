//! Spreadsheets: the rows of one sheet of an `.xlsx` or `.ods` file.
//!
//! A thread of its own reads the sheet, as what reads it borrows from the open file; and so a
//! damaged file that makes that code panic ends the thread and not the command.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use anyhow::{Context as _, bail};
use calamine::{Data, Ods, Reader as _, SheetVisible, Xlsx};

use super::row::{Kind, Row};
use super::{CELLS_MAX, RowError, Rows};
use cell_text::write_cell;

mod cell_text;

/// Rows that are read ahead.
const ROWS_AHEAD: usize = 1_000;

/// The kinds of spreadsheet that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkbookKind {
    Xlsx,
    Ods,
}

/// Reads the rows of a sheet. What is empty below and beside the others is no row and no cell.
pub(crate) struct Sheet {
    rows: Receiver<anyhow::Result<Option<Row>>>,
    number: u64,
}

type Sender = SyncSender<anyhow::Result<Option<Row>>>;

impl Sheet {
    /// Opens a sheet: the one of this name, or the only one that can be seen.
    pub(crate) fn open(
        path: &Path,
        kind: WorkbookKind,
        name: Option<&str>,
    ) -> anyhow::Result<Self> {
        let file = BufReader::new(File::open(path)?);
        let (sender, rows) = mpsc::sync_channel(ROWS_AHEAD);
        let name = name.map(str::to_owned);
        thread::Builder::new().name("laterbase-sheet".to_owned()).spawn(move || {
            let read = match kind {
                WorkbookKind::Xlsx => read_xlsx(file, name.as_deref(), &sender),
                WorkbookKind::Ods => read_ods(file, name.as_deref(), &sender),
            };
            // Nobody listens any more, if not.
            let _heard = sender.send(read.map(|()| None));
        })?;
        Ok(Self { rows, number: 0 })
    }
}

impl Rows for Sheet {
    fn next(&mut self, row: &mut Row) -> Result<bool, RowError> {
        let detail = match self.rows.recv() {
            Ok(Ok(Some(read))) => {
                *row = read;
                self.number = row.number;
                return Ok(true);
            }
            Ok(Ok(None)) => return Ok(false),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_panicked) => "the spreadsheet is damaged".to_owned(),
        };
        Err(RowError::Broken { number: self.number + 1, detail })
    }
}

fn read_xlsx(file: BufReader<File>, name: Option<&str>, sender: &Sender) -> anyhow::Result<()> {
    let mut workbook = Xlsx::new(file).context("is no .xlsx file that can be read")?;
    let name = choose(workbook.sheets_metadata(), name)?;
    let mut cells = workbook.worksheet_cells_reader(&name)?;
    let mut assembly = Assembly { row: Row::default(), sender };
    while let Some(cell) = cells.next_cell()? {
        let (row, column) = cell.get_position();
        let value: Data = cell.get_value().clone().into();
        if !assembly.put(row, column, &value)? {
            return Ok(());
        }
    }
    assembly.hand_over().map(drop)
}

fn read_ods(file: BufReader<File>, name: Option<&str>, sender: &Sender) -> anyhow::Result<()> {
    let mut workbook = Ods::new(file).context("is no .ods file that can be read")?;
    let name = choose(workbook.sheets_metadata(), name)?;
    let range = workbook.worksheet_range(&name)?;
    let (first_row, first_column) = range.start().unwrap_or_default();
    let mut assembly = Assembly { row: Row::default(), sender };
    for (row, column, value) in range.used_cells() {
        let row = first_row + u32::try_from(row)?;
        let column = first_column + u32::try_from(column)?;
        if !assembly.put(row, column, value)? {
            return Ok(());
        }
    }
    assembly.hand_over().map(drop)
}

/// The name of the sheet that is meant.
fn choose(sheets: &[calamine::Sheet], name: Option<&str>) -> anyhow::Result<String> {
    let all = || {
        let names: Vec<String> = sheets.iter().map(|sheet| format!("{:?}", sheet.name)).collect();
        names.join(", ")
    };
    if let Some(name) = name {
        if !sheets.iter().any(|sheet| sheet.name == name) {
            bail!("there is no sheet {name:?}, but {}", all());
        }
        return Ok(name.to_owned());
    }
    let mut visible = sheets.iter().filter(|sheet| sheet.visible == SheetVisible::Visible);
    match (visible.next(), visible.next()) {
        (Some(sheet), None) => Ok(sheet.name.clone()),
        (None, _) => bail!("there is no sheet that can be seen"),
        (Some(_), Some(_)) => bail!("there are several sheets; choose one by --sheet: {}", all()),
    }
}

/// Puts cells together to rows.
struct Assembly<'s> {
    row: Row,
    sender: &'s Sender,
}

impl Assembly<'_> {
    /// Takes the next cell; false if nobody listens any more.
    fn put(&mut self, row: u32, column: u32, value: &Data) -> anyhow::Result<bool> {
        let number = u64::from(row) + 1;
        if number < self.row.number {
            bail!("the spreadsheet is damaged: row {number} comes behind a later one");
        }
        if number > self.row.number {
            if !self.hand_over()? {
                return Ok(false);
            }
            self.row.begin(number);
        }
        let column = usize::try_from(column)?;
        if column >= CELLS_MAX || column < self.row.len() {
            bail!("the spreadsheet is damaged: row {number} has its cells out of order");
        }
        while self.row.len() < column {
            self.row.push("", Kind::Text);
        }
        write_cell(&mut self.row, value);
        Ok(true)
    }

    fn hand_over(&mut self) -> anyhow::Result<bool> {
        let row = std::mem::take(&mut self.row);
        Ok(row.is_blank() || self.sender.send(Ok(Some(row))).is_ok())
    }
}
