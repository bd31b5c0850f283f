//! Handing a text to another process of the server: a small segment of dynamic shared memory.

use pgrx::pg_sys;

/// A segment that this process made, there until this is dropped (or the process ends).
pub struct Segment(*mut pg_sys::dsm_segment);

impl Segment {
    /// Puts a text into a segment; `None` when the server has no more of them.
    pub fn holding(text: &str) -> Option<Self> {
        let size = size_of::<usize>() + text.len();
        // SAFETY: the mapping is pinned, so that it outlives the transaction; it is written within its size.
        unsafe {
            let segment = pg_sys::dsm_create(size, pg_sys::DSM_CREATE_NULL_IF_MAXSEGMENTS as i32);
            if segment.is_null() {
                return None;
            }
            pg_sys::dsm_pin_mapping(segment);
            let address = pg_sys::dsm_segment_address(segment).cast::<u8>();
            address.cast::<usize>().write_unaligned(text.len());
            address
                .add(size_of::<usize>())
                .copy_from_nonoverlapping(text.as_ptr(), text.len());
            Some(Segment(segment))
        }
    }

    /// What the other process needs to find it.
    pub fn handle(&self) -> u32 {
        // SAFETY: the segment is mapped as long as `self` lives.
        unsafe { pg_sys::dsm_segment_handle(self.0) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: mapped once, unmapped once.
        unsafe { pg_sys::dsm_detach(self.0) };
    }
}

/// Reads the text of a segment; `None` when the process that made it has gone.
pub fn read(handle: u32) -> Option<String> {
    // SAFETY: attached and detached here; the size is held against the segment's own.
    unsafe {
        let segment = pg_sys::dsm_attach(handle);
        if segment.is_null() {
            return None;
        }
        let address = pg_sys::dsm_segment_address(segment).cast::<u8>();
        let room = pg_sys::dsm_segment_map_length(segment).saturating_sub(size_of::<usize>());
        let length = address.cast::<usize>().read_unaligned().min(room);
        let bytes = std::slice::from_raw_parts(address.add(size_of::<usize>()), length).to_vec();
        pg_sys::dsm_detach(segment);
        String::from_utf8(bytes).ok()
    }
}
