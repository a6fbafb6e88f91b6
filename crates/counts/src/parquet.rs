//! Tables as Parquet: of its columns only those that a table of counts needs are unpacked.

use crate::{
    Column, Group, Options,
    builder::{Builder, shortened},
    place::{Fields, Place},
};
use parquet::{
    column::page::Page,
    errors::ParquetError,
    file::reader::{FileReader, SerializedFileReader},
    record::Field,
    schema::types::Type,
};
use retrial_spec::{Error, Result};
use std::{borrow::Cow, cell::Cell, fs::File, panic, path::Path, sync::Once};

thread_local! {
    /// Whether this thread is in the library, whose panics end here.
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Reads a table. The library panics over some damaged files; that ends here, as an error, and nothing is printed of it.
pub(crate) fn read(path: &Path, options: &Options) -> Result<Vec<Group>> {
    // The hook is the process's, and other threads may panic meanwhile: it is put in once, and is silent for readers only.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !READING.get() {
                before(panic);
            }
        }));
    });
    READING.set(true);
    let read = panic::catch_unwind(|| table(path, options));
    READING.set(false);
    read.unwrap_or_else(|_| {
        Err(Error::file(path, "is Parquet that cannot be read (it contradicts itself)", "write it again"))
    })
}

fn table(path: &Path, options: &Options) -> Result<Vec<Group>> {
    let bad = |e: ParquetError| {
        let fault = format!("is Parquet that cannot be read ({})", e.to_string().replace('\n', " "));
        Error::file(path, fault, "write it again, compressed by snappy, gzip or not at all")
    };
    let file = File::open(path).map_err(Error::io("read", path))?;
    let reader = SerializedFileReader::new(file).map_err(bad)?;
    let schema = reader.metadata().file_metadata().schema().clone();
    let titles: Vec<&str> = schema.get_fields().iter().map(|field| field.name()).collect();
    let (columns, _) = options.columns.of_table(&titles);
    let names = Column::ALL.map(|column| columns.name(column));
    for (column, name) in Column::ALL.into_iter().zip(names) {
        if columns.is_renamed(column) && !titles.contains(&name) {
            let fault = format!("schema, column {name}: is missing");
            return Err(Error::file(path, fault, format!("the table has {}", shortened(&titles.join(", ")))));
        }
    }
    let present = names.map(|name| titles.contains(&name));
    let options = Options { columns: columns.clone(), ..options.clone() };
    let mut builder = Builder::new(path, present, &titles.join(", "), &options)?;
    let wanted = schema.get_fields().iter().filter(|field| names.contains(&field.name())).cloned();
    let wanted = Type::group_type_builder(schema.name()).with_fields(wanted.collect()).build().map_err(bad)?;
    check_dictionaries(&reader, &names).map_err(bad)?;
    for (row, record) in (1..).zip(reader.get_row_iter(Some(wanted)).map_err(bad)?) {
        let record = record.map_err(bad)?;
        let place = Place { path, row, line: 0 };
        let (mut fields, mut list) = (Fields::default(), None);
        for (name, value) in record.get_column_iter() {
            for (column, _) in Column::ALL.into_iter().zip(names).filter(|(_, of)| of == name) {
                fields[column as usize] = Some(match value {
                    Field::ListInternal(items) if column == Column::Success => {
                        list = Some(items.elements());
                        "".into()
                    }
                    value => text(value).ok_or_else(|| {
                        place.fault(
                            name,
                            "is of a type that no table of counts has",
                            "must be a number, text or truth value",
                        )
                    })?,
                });
            }
        }
        let Some(items) = list else {
            builder.add(&fields, place)?;
            continue;
        };
        for item in items {
            fields[Column::Success as usize] = Some(text(item).unwrap_or_default());
            builder.add(&fields, place)?;
        }
    }
    builder.finish()
}

/// Refuses a dictionary of a column that claims more values than it has bytes: the library makes room for all that it claims.
fn check_dictionaries(reader: &SerializedFileReader<File>, names: &[&str]) -> Result<(), ParquetError> {
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let columns = group.metadata().columns().iter().map(|column| column.column_path().parts());
        for (at, _) in columns.enumerate().filter(|(_, path)| path.first().is_some_and(|name| names.contains(&&**name)))
        {
            let mut pages = group.get_column_page_reader(at)?;
            while let Some(next) = pages.peek_next_page()? {
                if !next.is_dict {
                    pages.skip_next_page()?;
                } else if let Some(Page::DictionaryPage { buf, num_values, .. }) = pages.get_next_page()?
                    && num_values as usize > buf.len()
                {
                    let fault = format!("a dictionary of {num_values} values in {} bytes", buf.len());
                    return Err(ParquetError::General(fault));
                }
            }
        }
    }
    Ok(())
}

/// A value, as the text that CSV would hold; `None` of what is no scalar.
fn text(value: &Field) -> Option<Cow<'_, str>> {
    Some(match value {
        Field::Null => "".into(),
        Field::Str(text) => text.as_str().into(),
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) | Field::Bytes(_) => return None,
        // Whole numbers without a fraction, as they were counted.
        Field::Double(v) => v.to_string().into(),
        Field::Float(v) => v.to_string().into(),
        other => other.to_string().into(),
    })
}
