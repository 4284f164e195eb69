//! Values of Arrow arrays as text: an integer in decimal, a whole float without its `.0`, a date or time in
//! RFC 3339. Ids are opaque text in Wane, whatever type a Parquet writer gave them.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use crate::events::{MILLIS_PER_DAY, Timestamp};

/// Whether [`cell_text`] knows the type.
pub(super) fn is_plain(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_plain(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean | DataType::Null => {
            true
        }
        DataType::Float32 | DataType::Float64 | DataType::Date32 | DataType::Timestamp(..) => true,
        other => other.is_integer(),
    }
}

/// The text of one cell; `None` for null and for types that are no plain value.
pub(super) fn cell_text(array: &dyn Array, row: usize) -> Option<Cow<'_, str>> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(Cow::Borrowed(array.as_string::<i32>().value(row))),
        DataType::LargeUtf8 => Some(Cow::Borrowed(array.as_string::<i64>().value(row))),
        DataType::Utf8View => Some(Cow::Borrowed(array.as_string_view().value(row))),
        DataType::Boolean => {
            Some(Cow::Borrowed(if array.as_boolean().value(row) { "true" } else { "false" }))
        }
        DataType::Float32 => {
            Some(Cow::Owned(f64::from(array.as_primitive::<Float32Type>().value(row)).to_string()))
        }
        DataType::Float64 => Some(Cow::Owned(array.as_primitive::<Float64Type>().value(row).to_string())),
        DataType::Date32 | DataType::Timestamp(..) => {
            time_millis(array, row).map(|millis| Cow::Owned(Timestamp::from_millis(millis).to_string()))
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            let key = *dictionary.normalized_keys().get(row)?;
            cell_text(dictionary.values().as_ref(), key).map(|text| Cow::Owned(text.into_owned()))
        }
        _ => integer(array, row).map(|value| Cow::Owned(value.to_string())),
    }
}

/// The value of an integer cell of any width.
pub(super) fn integer(array: &dyn Array, row: usize) -> Option<i128> {
    Some(match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        _ => return None,
    })
}

/// Milliseconds since the epoch of a date or timestamp cell.
pub(super) fn time_millis(array: &dyn Array, row: usize) -> Option<i64> {
    match array.data_type() {
        DataType::Date32 => Some(i64::from(array.as_primitive::<Date32Type>().value(row)) * MILLIS_PER_DAY),
        DataType::Timestamp(TimeUnit::Second, _) => {
            array.as_primitive::<TimestampSecondType>().value(row).checked_mul(1000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Some(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Some(array.as_primitive::<TimestampMicrosecondType>().value(row).div_euclid(1000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Some(array.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000_000))
        }
        _ => None,
    }
}

/// The elements of one cell of a list column; `None` when the column holds no lists.
pub(super) fn list_elements(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}
