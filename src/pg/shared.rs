//! A value in shared memory that several processes look at: made by one, found by the others through its handle.

use std::mem::size_of;
use std::ops::Deref;

use pgrx::pg_sys;

/// A type that may lie in shared memory.
///
/// # Safety
/// Every field is an atomic (so that processes may use it at the same time), and all zero bytes are a valid value.
pub unsafe trait Shared {}

/// A mapping of a shared value, as long as it lives. The value itself is there as long as any process maps it.
pub struct Mapping<T: Shared> {
    segment: *mut pg_sys::dsm_segment,
    value: *const T,
}

impl<T: Shared> Mapping<T> {
    /// Makes a value of zero bytes; `None` when the server has no room for one more.
    pub fn create() -> Option<Self> {
        // SAFETY: a new segment of at least the value's size, zeroed before anybody else knows it.
        unsafe {
            let flags = pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as i32;
            let segment = pg_sys::dsm_create(size_of::<T>(), flags);
            if segment.is_null() {
                return None;
            }
            pg_sys::dsm_pin_mapping(segment);
            let address = pg_sys::dsm_segment_address(segment);
            address.cast::<u8>().write_bytes(0, size_of::<T>());
            Some(Mapping {
                segment,
                value: address.cast(),
            })
        }
    }

    /// Finds the value that another process made; `None` when that has gone.
    pub fn attach(handle: u32) -> Option<Self> {
        // SAFETY: the segment's size is held against the value's; a page-aligned address suits every type.
        unsafe {
            let segment = pg_sys::dsm_attach(handle);
            if segment.is_null() {
                return None;
            }
            pg_sys::dsm_pin_mapping(segment);
            if pg_sys::dsm_segment_map_length(segment) < size_of::<T>() {
                pg_sys::dsm_detach(segment);
                return None;
            }
            Some(Mapping {
                segment,
                value: pg_sys::dsm_segment_address(segment).cast(),
            })
        }
    }

    /// What other processes need to find it.
    pub fn handle(&self) -> u32 {
        // SAFETY: the segment is mapped as long as `self` lives.
        unsafe { pg_sys::dsm_segment_handle(self.segment) }
    }
}

impl<T: Shared> Deref for Mapping<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: mapped as long as `self` lives; `Shared` makes concurrent use safe.
        unsafe { &*self.value }
    }
}

impl<T: Shared> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: mapped once, unmapped once.
        unsafe { pg_sys::dsm_detach(self.segment) };
    }
}
