//! A text that holds together passes; whatever else the bytes are, the check ends in an error and never in a panic.

use proptest::prelude::*;

use super::*;

/// Two trees: one with a categorical split and a linear leaf, one that is a single leaf.
fn honest() -> Vec<u8> {
    let trees = [
        concat!(
            "Tree=0\nnum_leaves=3\nnum_cat=1\nsplit_feature=1 0\nsplit_gain=1.5 2e-05\nthreshold=0 0.25\n",
            "decision_type=1 8\nleft_child=1 -1\nright_child=-2 -3\nleaf_value=0.1 -inf nan\nleaf_weight=1 1 1\n",
            "leaf_count=5 5 5\ninternal_value=0 1.e5\ninternal_weight=0 +.5\ninternal_count=15 10\n",
            "cat_boundaries=0 1\ncat_threshold=5\nis_linear=1\nleaf_const=0.1 0.2 0.3\nnum_features=1 0 1\n",
            "leaf_features=0  1 \nleaf_coeff=0.5  0.25 \nshrinkage=0.1\n\n\n"
        ),
        "Tree=1\nnum_leaves=1\nnum_cat=0\nleaf_value=0.5\nshrinkage=1\n\n\n",
    ];
    let sizes: Vec<String> = trees.iter().map(|tree| tree.len().to_string()).collect();
    format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\nobjective=regression\n\
         average_output\nfeature_names=a b\nfeature_infos=[0:1] none\ntree_sizes={}\n\n{}end of trees\n\n\
         feature_importances:\na=1\n\nparameters:\n[boosting: gbdt]\n[metric: ]\n\nend of parameters\n\n\
         pandas_categorical:null\n",
        sizes.join(" "),
        trees.concat()
    )
    .into_bytes()
}

fn run(text: &[u8]) -> Result<()> {
    check(text, &Cancel::new())
}

/// The honest text with a part replaced and the sizes of its trees made anew.
fn with(old: &str, new: &str) -> Vec<u8> {
    let text = String::from_utf8(honest()).unwrap();
    assert!(text.contains(old), "{old}");
    let text = text.replacen(old, new, 1);
    let (head, rest) = text.split_at(text.find("\nTree=").unwrap() + 1);
    let (trees, notes) = rest.split_at(rest.find("\nend of trees").unwrap() + 1);
    let second = trees.find("Tree=1").unwrap();
    let before = head.find("tree_sizes=").unwrap();
    let behind = before + head[before..].find('\n').unwrap();
    let sizes = format!("tree_sizes={second} {}", trees.len() - second);
    [&head[..before], &sizes, &head[behind..], trees, notes].concat().into_bytes()
}

/// The field and the tree of the error.
fn refusal(old: &str, new: &str) -> (String, Option<usize>) {
    match run(&with(old, new)) {
        Err(Error::LightgbmHeader { field, .. }) => (field, None),
        Err(Error::LightgbmTree { tree, field, .. }) => (field, Some(tree)),
        other => panic!("{old:?} -> {new:?}: {other:?}"),
    }
}

#[test]
fn an_honest_text_passes() {
    assert_eq!(run(&honest()), Ok(()));
    assert_eq!(with("a b", "c d").len(), honest().len());
    for (old, new) in [
        ("parameters:", "notes:"),
        ("objective=regression\n", ""),
        ("[metric: ]", "[metric: a,b: c]]"),
        ("average_output\n", ""),
        ("threshold=0 ", "threshold=0.5 "),
    ] {
        assert_eq!(run(&with(old, new)), Ok(()), "{old} -> {new}");
    }
}

#[test]
fn the_first_field_that_is_wrong_is_named() {
    for (old, new, field) in [
        ("num_leaves=3", "num_leaves=0", "num_leaves"),
        ("num_leaves=3", "num_leaves=131073", "num_leaves"),
        ("num_leaves=3", "num_leaves=4", "split_feature"),
        ("num_leaves=3", "num_leaves=3 3", "num_leaves"),
        ("num_leaves=3", "num_leaves=3\nnum_leaves=3", "num_leaves"),
        ("num_leaves=3", "num_leaves=3\n", ""),
        ("num_leaves=3\n", "", "num_leaves"),
        ("num_leaves=3", "leaves=3", "leaves"),
        ("num_leaves=3", "num_leaves", "num_leaves"),
        ("split_feature=1 0", "split_feature=2 0", "split_feature"),
        ("split_feature=1 0", "split_feature=-1 0", "split_feature"),
        ("split_feature=1 0", "split_feature=+1 0", "split_feature"),
        ("split_feature=1 0", "split_feature=99999999999999999999 0", "split_feature"),
        ("left_child=1 -1", "left_child=0 -1", "left_child"),
        ("left_child=1 -1", "left_child=1 1", "left_child"),
        ("left_child=1 -1", "left_child=2 -1", "left_child"),
        ("left_child=1 -1", "left_child=1 -4", "left_child"),
        ("right_child=-2 -3", "right_child=-2 -2", "right_child"),
        ("decision_type=1 8", "decision_type=1 12", "decision_type"),
        ("threshold=0 ", "threshold=1 ", "threshold"),
        ("threshold=0 ", "threshold=nan ", "threshold"),
        ("threshold=0 ", "threshold=0x0 ", "threshold"),
        ("num_cat=1", "num_cat=0", "num_cat"),
        ("num_cat=1", "num_cat=-1", "threshold"),
        ("num_cat=1", "num_cat=2", "cat_boundaries"),
        ("cat_boundaries=0 1", "cat_boundaries=0 2", "cat_boundaries"),
        ("cat_boundaries=0 1", "cat_boundaries=1 1", "cat_boundaries"),
        ("cat_threshold=5", "cat_threshold=4294967296", "cat_threshold"),
        ("is_linear=1\nleaf_const=0.1 0.2 0.3", "is_linear=x", "leaf_const"),
        ("num_features=1 0 1", "num_features=1 0 3", "num_features"),
        ("num_features=1 0 1", "num_features=1 1 1", "leaf_features"),
        ("leaf_features=0  1 ", "leaf_features=0  2 ", "leaf_features"),
        ("leaf_coeff=0.5  0.25 ", "leaf_coeff=0.5  ", "leaf_coeff"),
    ] {
        assert_eq!(refusal(old, new), (field.to_owned(), Some(0)), "{new}");
    }
    assert_eq!(refusal("num_cat=0", "num_cat=1"), ("num_cat".to_owned(), Some(1)));
}

#[test]
fn the_header_holds_together() {
    for (old, new, field) in [
        ("max_feature_idx=1", "max_feature_idx=100000", "feature_names"),
        ("max_feature_idx=1", "max_feature_idx=-1", "feature_names"),
        ("max_feature_idx=1\n", "", "max_feature_idx"),
        ("feature_infos=[0:1] none", "feature_infos=none", "feature_infos"),
        ("num_class=1", "num_class=0", "num_tree_per_iteration"),
        ("num_class=1", "num_class=2", "num_tree_per_iteration"),
        ("objective=regression", "objective=multiclass num_class:3", "objective"),
        ("objective=regression", "objective=multiclass", "objective"),
        ("average_output\n", "average_output\naverage_output\n", "average_output"),
        ("version=v4", "version=v4\0", "Tree"),
        ("version=v4", "version=v4\r", "Tree"),
        ("pandas_categorical", "pandas\0categorical", "Tree"),
        ("[boosting: gbdt]", "[boosting gbdt]", "parameters"),
        ("[boosting: gbdt]", "[boosting:gbdt]", "parameters"),
        ("[boosting: gbdt]", "[: gbdt]", "parameters"),
        ("[boosting: gbdt]", "[Boosting: gbdt]", "parameters"),
        ("[boosting: gbdt]", "boosting", "parameters"),
        ("end of parameters", "", "parameters"),
    ] {
        assert_eq!(refusal(old, new), (field.to_owned(), None), "{new}");
    }
}

#[test]
fn the_sizes_of_trees_hold() {
    let whole = honest();
    let text = String::from_utf8(whole.clone()).unwrap();
    let sizes = text.lines().find(|line| line.starts_with("tree_sizes=")).unwrap();
    let crafted = ["", "tree_sizes=", "tree_sizes=-1 5", "tree_sizes=0 0", "tree_sizes=9999999999 9999999999"];
    for new in crafted {
        assert!(run(text.replacen(sizes, new, 1).as_bytes()).is_err(), "{new}");
    }
    assert!(run(text.replacen("Tree=1", "Tree=7", 1).as_bytes()).is_err());
    assert!(run(text.replacen("end of trees", "end of treez", 1).as_bytes()).is_err());
    for end in 0..text.find("end of trees").unwrap() {
        assert!(run(&whole[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn a_raised_flag_stops_the_check() {
    let cancel = Cancel::new();
    cancel.cancel();
    assert_eq!(check(&honest(), &cancel), Err(Error::Interrupted {}));
}

fn by_hand(line: &str) -> Option<usize> {
    let mut entries = 0;
    for entry in line.split(' ').filter(|entry| !entry.is_empty()) {
        let bare = entry.strip_prefix(['-', '+']).unwrap_or(entry);
        let letters = bare.contains(|c: char| c.is_ascii_alphabetic() && c != 'e');
        if bare != "nan" && bare != "inf" && (letters || entry.parse::<f64>().is_err()) {
            return None;
        }
        entries += 1;
    }
    Some(entries)
}

proptest! {
    #[test]
    fn numbers_are_what_rust_takes_for_numbers(line in "[-+.0-9 einfa]{0,12}( [-+]?[0-9]{0,3}[.]?[0-9]{0,3}(e[-+]?[0-9]{0,2})?){0,80}") {
        let found = numbers::are_numbers(line.as_bytes()).then(|| numbers::count(line.as_bytes()));
        prop_assert_eq!(found, by_hand(&line));
    }

    #[test]
    fn integers_are_what_rust_takes_for_integers(line in "[-0-9 ]{0,12}( -?[0-9]{0,12}){0,9}") {
        let by_hand: Option<Vec<i64>> = line
            .split(' ')
            .filter(|entry| !entry.is_empty())
            .map(|entry| entry.parse().ok().filter(|value: &i64| value.abs() < 10_000_000_000))
            .collect();
        prop_assert_eq!(numbers::integers(line.as_bytes()), by_hand);
    }

    #[test]
    fn any_bytes_end_in_a_word(text in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(run(&text).is_err());
        prop_assert!(run(&[TITLE, &text, b"\nTree=0\n", &text].concat()).is_err());
    }

    #[test]
    fn edits_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, "[0-9 =\\-.\ne]{0,12}|.{0,3}"), 1..4),
    ) {
        let mut text = honest();
        for (place, kind, new) in edits {
            let at = place.index(text.len());
            let end = (at + new.len()).min(text.len());
            match kind {
                0 => drop(text.splice(at..at, new.bytes())),
                1 => drop(text.splice(at..end, new.bytes())),
                2 => drop(text.drain(at..end)),
                _ => text[at] ^= 1 << (new.len() % 8),
            }
            if text.is_empty() {
                break;
            }
        }
        let _ = run(&text);
        // With honest sizes more of it is looked at.
        if let Ok(mut changed) = String::from_utf8(text)
            && let (Some(first), Some(end)) = (changed.find("\nTree="), changed.find("\nend of trees"))
            && let Some(second) = changed.find("\nTree=1")
            && let Some(sizes) = changed.find("tree_sizes=")
            && first <= second && second <= end && sizes < first
        {
            let line_end = sizes + changed[sizes..].find('\n').unwrap();
            let honest_sizes = format!("tree_sizes={} {}", second - first, end - second);
            changed.replace_range(sizes..line_end, &honest_sizes);
            let _ = run(changed.as_bytes());
        }
    }
}
