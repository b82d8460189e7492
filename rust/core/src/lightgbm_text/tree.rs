//! One tree: the lengths of its arrays, and where its indices point.

use super::keys::{Fault, Keys, fault, within};
use super::numbers;

/// In the order in which LightGBM writes them.
pub(super) const KEYS: [&str; 22] = [
    "num_leaves",
    "num_cat",
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_value",
    "leaf_weight",
    "leaf_count",
    "internal_value",
    "internal_weight",
    "internal_count",
    "cat_boundaries",
    "cat_threshold",
    "is_linear",
    "leaf_const",
    "num_features",
    "leaf_features",
    "leaf_coeff",
    "shrinkage",
];
/// What is known of leaves and nodes, beside what they do.
const FACTS: [&str; 5] = ["leaf_weight", "leaf_count", "internal_value", "internal_weight", "internal_count"];
/// The most leaves that LightGBM itself allows a tree.
const MAX_LEAVES: i64 = 131_072;

type TreeKeys<'a> = Keys<'a, { KEYS.len() }>;

/// Checks the lines of one tree.
pub(super) fn check(keys: &TreeKeys<'_>, n_features: usize) -> Result<(), Fault> {
    let n_leaves = keys.integer("num_leaves")?;
    if !(1..=MAX_LEAVES).contains(&n_leaves) {
        return Err(fault("num_leaves", format!("{n_leaves} is not within 1 and {MAX_LEAVES}")));
    }
    let leaves = n_leaves as usize;
    let n_cat = keys.integer("num_cat")?;
    if leaves > 1 {
        splits(keys, leaves - 1, n_cat, n_features)?;
    } else if n_cat != 0 {
        return Err(fault("num_cat", "it has categories, but no split"));
    }
    keys.numbers("leaf_value", leaves)?;
    if leaves > 1 {
        for (name, count) in FACTS.into_iter().zip([leaves, leaves, leaves - 1, leaves - 1, leaves - 1]) {
            keys.numbers(name, count)?;
        }
    }
    keys.numbers("shrinkage", 1)?;
    linear(keys, leaves, n_features)
}

fn splits(keys: &TreeKeys<'_>, n_nodes: usize, n_cat: i64, n_features: usize) -> Result<(), Fault> {
    within("split_feature", &keys.integers_of("split_feature", n_nodes)?, 0, n_features as i64)?;
    keys.numbers("split_gain", n_nodes)?;
    let thresholds = keys.numbers("threshold", n_nodes)?;
    let kinds = keys.integers_of("decision_type", n_nodes)?;
    within("decision_type", &kinds, 0, 12)?; // two flags and one of three ways to treat missing values
    children(keys, n_nodes)?;
    categories(keys, &kinds, thresholds, n_cat)
}

/// Every node but the root, and every leaf, is the child of one node, which comes before it.
fn children(keys: &TreeKeys<'_>, n_nodes: usize) -> Result<(), Fault> {
    let n_leaves = n_nodes + 1;
    // As many children as there are places without the root: where none comes twice, none is missing.
    let mut seen = vec![false; n_leaves + n_nodes];
    for name in ["left_child", "right_child"] {
        let side = keys.integers_of(name, n_nodes)?;
        within(name, &side, -(n_leaves as i64), n_nodes as i64)?;
        for (node, &child) in side.iter().enumerate() {
            if child >= 0 && child <= node as i64 {
                return Err(fault(name, "it has a node before its parent"));
            }
            if std::mem::replace(&mut seen[(child + n_leaves as i64) as usize], true) {
                return Err(fault(name, "a node or leaf is the child of none or of two"));
            }
        }
    }
    Ok(())
}

/// Checks the bit sets of categorical splits, whose thresholds are their places.
fn categories(keys: &TreeKeys<'_>, kinds: &[i64], thresholds: &[u8], n_cat: i64) -> Result<(), Fault> {
    let is_categorical = |kind: i64| kind & 1 == 1;
    if n_cat == 0 {
        let any = kinds.iter().any(|&kind| is_categorical(kind));
        if any || keys.get("cat_boundaries").is_some() || keys.get("cat_threshold").is_some() {
            return Err(fault("num_cat", "it has categorical splits, but num_cat=0"));
        }
        return Ok(());
    }
    let in_range = |entry: &[u8]| numbers::decimal(entry).is_some_and(|place| place >= 0.0 && place < n_cat as f64);
    let mut pairs = kinds.iter().zip(numbers::entries(thresholds));
    if !(1..MAX_LEAVES).contains(&n_cat) || !pairs.all(|(&kind, entry)| !is_categorical(kind) || in_range(entry)) {
        return Err(fault("threshold", "that of a categorical split is not within num_cat"));
    }
    let boundaries = keys.integers_of("cat_boundaries", n_cat as usize + 1)?;
    let words = keys.integers("cat_threshold")?;
    within("cat_threshold", &words, 0, 1 << 32)?;
    let rises = boundaries.windows(2).all(|pair| pair[0] <= pair[1]);
    if boundaries[0] != 0 || !rises || boundaries[n_cat as usize] != words.len() as i64 {
        return Err(fault("cat_boundaries", "it does not rise from 0 to the length of cat_threshold"));
    }
    Ok(())
}

/// Checks the linear models in the leaves, where there are any.
fn linear(keys: &TreeKeys<'_>, n_leaves: usize, n_features: usize) -> Result<(), Fault> {
    if keys.get("is_linear").unwrap_or(b"0") == b"0" {
        return Ok(());
    }
    keys.numbers("leaf_const", n_leaves)?;
    let counts = keys.integers_of("num_features", n_leaves)?;
    within("num_features", &counts, 0, n_features as i64 + 1)?;
    // At most 131,072 leaves of fewer than 10^10 features each: far from where 64 bits end.
    let total = usize::try_from(counts.iter().sum::<i64>()).unwrap_or(usize::MAX);
    within("leaf_features", &keys.integers_of("leaf_features", total)?, 0, n_features as i64)?;
    keys.numbers("leaf_coeff", total)?;
    Ok(())
}
