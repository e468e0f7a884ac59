//! Whether the server serves: the one question that orchestrators ask, answered from what would be told to a
//! client that writes.

use super::Engine;

impl Engine {
    /// Why it does not serve as it should, in the words that clients hear; nothing if all is well.
    pub fn ailment(&self) -> Option<String> {
        if self.exit.is_some() {
            return Some("the server is about to end".into());
        }
        if let Some(loading) = &self.persistence.loading {
            return Some(format!(
                "LOADING Redis is loading the dataset in memory: {} of {} bytes",
                loading.loaded_bytes, loading.total_bytes
            ));
        }
        let refusal = self.misconf().or_else(|| self.busy_error()).or_else(|| self.is_full())?;
        Some(String::from_utf8_lossy(&refusal.message()).into_owned())
    }
}
