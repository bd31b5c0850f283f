//! What a statement finds around it: the same settings whoever calls, and the tenant for row-security policies.

use synapsor_core::proposal::Proposal;

use crate::pg::guc_scope::GucScope;
use crate::settings::ApplySettings;

/// Sets what every proposal's statement runs under, until the result is dropped.
///
/// The search path stays the session's, since triggers that other people wrote may need it; the statement itself
/// qualifies its table, and [`super::target`] sees to its operators.
pub fn of_all(settings: &ApplySettings) -> GucScope {
    let scope = GucScope::open();
    // A value means the same in every session.
    scope.set("TimeZone", "UTC");
    scope.set("DateStyle", "ISO, MDY");
    scope.set("IntervalStyle", "postgres");
    scope.set("timezone_abbreviations", "Default");
    scope.set("lc_monetary", "C");
    // Floats in full.
    scope.set("extra_float_digits", "1");
    scope.set("array_nulls", "on");
    scope.set("xmloption", "content");
    scope.set("row_security", "on");
    // It would make every error of a proposal end the session.
    scope.set("exit_on_error", "off");
    scope.set("lock_timeout", &settings.lock_timeout.to_string());
    scope
}

/// Sets what one proposal's statement runs under, within [`of_all`]. Whatever its code sets is gone when the result is dropped.
pub fn of_one(settings: &ApplySettings, proposal: &Proposal) -> GucScope {
    let scope = GucScope::open();
    if let Some(name) = &settings.tenant_setting {
        scope.set(name, &tenant(proposal).unwrap_or_default());
    }
    scope
}

/// Tries the settings that come from the operator.
pub fn check(settings: &ApplySettings) {
    if let Some(name) = &settings.tenant_setting {
        GucScope::open().set(name, "");
    }
}

/// The proposal's tenant as text; a string without its quotes.
fn tenant(proposal: &Proposal) -> Option<String> {
    let id = proposal.tenant_id.as_ref().filter(|id| !id.is_null())?;
    Some(
        id.as_str()
            .map_or_else(|| id.compact(), |text| text.into_owned()),
    )
}
