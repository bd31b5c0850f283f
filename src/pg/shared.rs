//! A value in shared memory that several processes look at: made by one, found by the others through its handle.

use std::array;
use std::mem::size_of;
use std::ops::Deref;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

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

/// A short text that one process writes and others read: UTF-8, cut to fit.
///
/// The version is odd while it is being written; a reader that sees it change looks again.
#[repr(C)]
pub struct SharedText<const N: usize> {
    version: AtomicU32,
    length: AtomicU32,
    bytes: [AtomicU8; N],
}

impl<const N: usize> SharedText<N> {
    /// Writes it. One process at a time.
    pub fn write(&self, text: &str) {
        let length = text.floor_char_boundary(N);
        self.version.fetch_add(1, Ordering::AcqRel);
        for (place, byte) in self.bytes.iter().zip(&text.as_bytes()[..length]) {
            place.store(*byte, Ordering::Relaxed);
        }
        self.length.store(length as u32, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Reads it; empty where it is being written all the time.
    pub fn read(&self) -> String {
        const LOOKS: usize = 1_000;
        for _ in 0..LOOKS {
            let before = self.version.load(Ordering::Acquire);
            let bytes: [u8; N] = array::from_fn(|n| self.bytes[n].load(Ordering::Acquire));
            let length = (self.length.load(Ordering::Acquire) as usize).min(N);
            if before.is_multiple_of(2) && self.version.load(Ordering::Acquire) == before {
                return String::from_utf8_lossy(&bytes[..length]).into_owned();
            }
            std::hint::spin_loop();
        }
        String::new()
    }
}
