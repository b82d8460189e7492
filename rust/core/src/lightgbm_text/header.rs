//! The header: how many features, classes and trees there are.

use super::keys::{Fault, Keys, fault, lines, shown};

const KEYS: [&str; 10] = [
    "version",
    "num_class",
    "num_tree_per_iteration",
    "label_index",
    "max_feature_idx",
    "objective",
    "feature_names",
    "monotone_constraints",
    "feature_infos",
    "tree_sizes",
];
/// What a random forest has in its header, at most once: the one line without a value.
const AVERAGE: &[u8] = b"average_output";

/// The counts of a header that hold together.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) n_features: usize,
    /// Bytes of each tree, none of them 0.
    pub(super) tree_sizes: Vec<usize>,
}

impl Header {
    /// Reads and checks the lines of a header.
    pub(super) fn of(block: &[u8]) -> Result<Self, Fault> {
        let mut averages = 0;
        let mut with_value = |line: &[u8]| {
            averages += usize::from(line == AVERAGE);
            !line.is_empty() && (line != AVERAGE || averages > 1)
        };
        let keys = Keys::of(lines(block).filter(|line| with_value(line)), &KEYS)?;
        let n_features = features(&keys)?;
        let n_classes = classes(&keys)?;
        let sizes = keys.integers("tree_sizes")?;
        let tree_sizes: Vec<usize> =
            sizes.iter().filter(|&&size| size > 0).filter_map(|&size| usize::try_from(size).ok()).collect();
        if tree_sizes.len() != sizes.len() || !tree_sizes.len().is_multiple_of(n_classes) {
            return Err(fault("tree_sizes", "it does not match the trees"));
        }
        Ok(Self { n_features, tree_sizes })
    }

    /// The bytes of all trees; `None` for none, and beyond what a machine can address.
    pub(super) fn total(&self) -> Option<usize> {
        self.tree_sizes.iter().try_fold(0, |sum: usize, &size| sum.checked_add(size)).filter(|&total| total > 0)
    }
}

fn features(keys: &Keys<'_, { KEYS.len() }>) -> Result<usize, Fault> {
    // Below 10^10, so one more fits.
    let n_features = usize::try_from(keys.integer("max_feature_idx")? + 1).unwrap_or(0);
    for name in ["feature_names", "feature_infos"] {
        let entries = keys.get(name).map_or(0, |line| line.split(|&byte| byte == b' ').count());
        if entries != n_features || n_features == 0 {
            return Err(fault(name, "it does not have max_feature_idx + 1 entries"));
        }
    }
    Ok(n_features)
}

fn classes(keys: &Keys<'_, { KEYS.len() }>) -> Result<usize, Fault> {
    let n_classes = keys.integer("num_class")?;
    let several = n_classes > 1;
    if n_classes < 1 || keys.integer("num_tree_per_iteration")? != n_classes {
        return Err(fault("num_tree_per_iteration", "it is not num_class"));
    }
    // Prediction turns scores into probabilities in place, as many as the objective says.
    let mut words = keys.get("objective").unwrap_or_default().split(|&byte| byte == b' ');
    let objective = words.next().unwrap_or_default();
    let wanted = format!("num_class:{n_classes}");
    let mut counts = words.filter(|word| word.starts_with(b"num_class:")).peekable();
    if counts.peek().is_some() != several || counts.any(|count| count != wanted.as_bytes()) {
        let told = shown(objective);
        return Err(fault("objective", format!("{told:?} does not have num_class classes")));
    }
    let for_several = [&b"multiclass"[..], b"softmax", b"ova", b"ovr"].iter().any(|name| objective.starts_with(name));
    if for_several != several {
        let told = shown(objective);
        return Err(fault("objective", format!("{told:?} does not go with num_class={n_classes}")));
    }
    usize::try_from(n_classes).map_err(|_| fault("num_class", "it is larger than this machine can address"))
}
