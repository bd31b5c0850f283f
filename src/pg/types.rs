//! Values of any type, made by the type's own input function and compared with the type's own equality.

use std::ffi::{CStr, CString, c_char};

use pgrx::pg_sys;

use super::moment::Moment;

/// How a value of a type is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `json`, `jsonb`, and domains over them: any JSON value.
    Json,
    /// An array of this element type, with this delimiter between elements.
    Array {
        /// The element's type.
        element: pg_sys::Oid,
        /// `,` for all built-in types but `box`, which has `;`.
        delimiter: char,
    },
    /// Everything else: a text, a number, true or false. So are `int2vector` and `oidvector`, arrays that are written
    /// `1 2 3`.
    Scalar,
}

/// The shape of a type, seen through domains.
pub fn shape(type_oid: pg_sys::Oid) -> Shape {
    // SAFETY: catalog look-ups.
    unsafe {
        let base = pg_sys::getBaseType(type_oid);
        if base == pg_sys::JSONOID || base == pg_sys::JSONBOID {
            return Shape::Json;
        }
        if base == pg_sys::INT2VECTOROID || base == pg_sys::OIDVECTOROID {
            return Shape::Scalar;
        }
        let element = pg_sys::get_element_type(base);
        if element == pg_sys::InvalidOid {
            return Shape::Scalar;
        }
        Shape::Array {
            element,
            delimiter: delimiter(element),
        }
    }
}

/// The type below any domains, and the modifier that applies to it.
pub fn base_type(type_oid: pg_sys::Oid, modifier: i32) -> (pg_sys::Oid, i32) {
    let mut modifier = modifier;
    // SAFETY: a catalog look-up.
    let base = unsafe { pg_sys::getBaseTypeAndTypmod(type_oid, &raw mut modifier) };
    (base, modifier)
}

/// # Safety
/// Inside a transaction; `element` is a type.
unsafe fn delimiter(element: pg_sys::Oid) -> char {
    let (mut length, mut by_value, mut align, mut delimiter) =
        (0i16, false, 0 as c_char, 0 as c_char);
    let (mut io_param, mut function) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    // SAFETY: a catalog look-up; all places are ours.
    unsafe {
        pg_sys::get_type_io_data(
            element,
            pg_sys::IOFuncSelector::IOFunc_input,
            &raw mut length,
            &raw mut by_value,
            &raw mut align,
            &raw mut delimiter,
            &raw mut io_param,
            &raw mut function,
        );
    }
    char::from(delimiter as u8)
}

/// A type's input function.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    function: pg_sys::Oid,
    io_param: pg_sys::Oid,
}

impl Input {
    /// Looks it up.
    pub fn of(type_oid: pg_sys::Oid) -> Self {
        let (mut function, mut io_param) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
        // SAFETY: a catalog look-up; both places are ours.
        unsafe { pg_sys::getTypeInputInfo(type_oid, &raw mut function, &raw mut io_param) };
        Input { function, io_param }
    }

    /// Makes a value from its text. Raises the type's own error (22P02, 23514 of a domain, …) when the text is no good.
    pub fn read(self, modifier: i32, text: &CStr) -> pg_sys::Datum {
        let text = text.as_ptr().cast_mut();
        // SAFETY: the text lives through the call; the value is allocated in the current memory context.
        unsafe { pg_sys::OidInputFunctionCall(self.function, text, self.io_param, modifier) }
    }

    /// Raises the error of a type that takes no NULL: a domain that says NOT NULL, or whose CHECK does.
    pub fn read_null(self, modifier: i32) {
        let null = std::ptr::null_mut();
        // SAFETY: a null text is how an input function that looks at NULL is told of it; a strict one is not called.
        unsafe { pg_sys::OidInputFunctionCall(self.function, null, self.io_param, modifier) };
    }
}

/// Makes a value from its text, as [`Input::read`] does.
pub fn input(type_oid: pg_sys::Oid, modifier: i32, text: &CStr) -> pg_sys::Datum {
    Input::of(type_oid).read(modifier, text)
}

/// True when a type would forget a part of a text that it reads, or take it for another value, without a word. The
/// session's time zone must be UTC.
pub fn misreads(type_oid: pg_sys::Oid, text: &CStr) -> bool {
    misreading(type_oid).is_some_and(|misreads| misreads(type_oid, text))
}

/// False when [`misreads`] is false for any text.
pub fn may_misread(type_oid: pg_sys::Oid) -> bool {
    misreading(type_oid).is_some()
}

/// How to tell that a type misreads a text; `None` for one that never does.
fn misreading(type_oid: pg_sys::Oid) -> Option<fn(pg_sys::Oid, &CStr) -> bool> {
    Some(match type_oid {
        // Cut after 63 bytes.
        pg_sys::NAMEOID => |_, text| text.count_bytes() >= pg_sys::NAMEDATALEN as usize,
        // Cut after the first byte, but for what can't be written as one: `\377`.
        pg_sys::CHAROID => |oid, text| {
            let bytes = text.to_bytes();
            bytes.len() > 1 && octal_byte(bytes) != Some(input(oid, -1, text).value() as u8)
        },
        pg_sys::OIDOID | pg_sys::XIDOID | pg_sys::CIDOID | pg_sys::XID8OID => is_other_number,
        pg_sys::OIDVECTOROID => has_other_numbers,
        pg_sys::TIMESTAMPOID => |_, text| Moment::read(text).is_some_and(|moment| moment.zone != 0),
        pg_sys::DATEOID => {
            |_, text| Moment::read(text).is_some_and(|moment| moment.time + moment.zone != 0)
        }
        pg_sys::TIMEOID => |_, text| time_with_zone(text).zone != 0 || names_a_day(text),
        pg_sys::TIMETZOID => |_, text| names_a_day(text),
        _ => return None,
    })
}

/// True when a type without negative numbers reads another number than the decimal digits say: -1 is taken for
/// 4294967295, and 010 for eight. Other notations differ from major to major and are none.
fn is_other_number(type_oid: pg_sys::Oid, text: &CStr) -> bool {
    let number = text.to_str().ok().and_then(|text| {
        let digits = text.trim_matches(is_space);
        digits.parse::<i128>().ok()
    });
    number.is_none_or(|number| number != input(type_oid, -1, text).value() as i128)
}

/// As [`is_other_number`], of numbers with spaces between them. Postgres would take `1-2` for two.
fn has_other_numbers(_: pg_sys::Oid, text: &CStr) -> bool {
    let text = text.to_string_lossy();
    let mut numbers = text.split(is_space).filter(|number| !number.is_empty());
    numbers.any(|number| {
        CString::new(number).is_ok_and(|number| is_other_number(pg_sys::OIDOID, &number))
    })
}

/// What C's `isspace` takes for a space.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

fn octal_byte(text: &[u8]) -> Option<u8> {
    let digits = text
        .strip_prefix(b"\\")
        .filter(|digits| digits.len() == 3)?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// True when a time of day comes with a day, which its type forgets. `040506` is one or the other.
fn names_a_day(text: &CStr) -> bool {
    Moment::read(text).is_some_and(|moment| moment.time == time_with_zone(text).time)
}

fn time_with_zone(text: &CStr) -> pg_sys::TimeTzADT {
    let time = input(pg_sys::TIMETZOID, -1, text);
    // SAFETY: a value of timetz is a pointer to its struct.
    unsafe { *time.cast_mut_ptr::<pg_sys::TimeTzADT>() }
}

unsafe extern "C-unwind" {
    /// parser/parse_oper.c: the operator that `left name right` would mean now, or 0.
    fn compatible_oper_opid(
        name: *mut pg_sys::List,
        left: pg_sys::Oid,
        right: pg_sys::Oid,
        no_error: bool,
    ) -> pg_sys::Oid;
}

/// True when `a = b`, written without a schema, would not mean the type's own equality: some other `=` comes first
/// in the search path, be it for a domain or for the type below it, or the type has one that is not an equality at all
/// (`box` compares areas). A type without any `=` is not shadowed; Postgres says so itself.
pub fn is_equality_shadowed(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups, the foreign one under pgrx's guard; the list lives in the current memory context.
    unsafe {
        let name = pg_sys::makeString(pg_sys::pstrdup(c"=".as_ptr()));
        let names = pg_sys::lappend(std::ptr::null_mut(), name.cast());
        let in_effect = pg_sys::ffi::pg_guard_ffi_boundary(|| {
            compatible_oper_opid(names, type_oid, type_oid, true)
        });
        let base = pg_sys::getBaseType(type_oid);
        let entry = pg_sys::lookup_type_cache(base, pg_sys::TYPECACHE_EQ_OPR as i32);
        in_effect != pg_sys::InvalidOid && in_effect != (*entry).eq_opr
    }
}

/// True when values of a type can be compared at all.
pub fn has_equality(type_oid: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up.
    unsafe {
        let base = pg_sys::getBaseType(type_oid);
        let entry = pg_sys::lookup_type_cache(base, pg_sys::TYPECACHE_EQ_OPR as i32);
        (*entry).eq_opr != pg_sys::InvalidOid
    }
}

/// True when two values of a type are equal; `None` for a type that has no equality.
pub fn equal(
    type_oid: pg_sys::Oid,
    collation: pg_sys::Oid,
    left: pg_sys::Datum,
    right: pg_sys::Datum,
) -> Option<bool> {
    // SAFETY: both are values of the type, whose cached equality function is called.
    unsafe {
        let base = pg_sys::getBaseType(type_oid);
        let entry = pg_sys::lookup_type_cache(base, pg_sys::TYPECACHE_EQ_OPR_FINFO as i32);
        if (*entry).eq_opr == pg_sys::InvalidOid {
            return None;
        }
        let equality = &raw mut (*entry).eq_opr_finfo;
        Some(pg_sys::FunctionCall2Coll(equality, collation, left, right).value() != 0)
    }
}
