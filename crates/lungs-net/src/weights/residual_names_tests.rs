use super::*;

fn archive(arrays: &[(&str, &[usize])]) -> Archive {
    let arrays = arrays.iter().enumerate().map(|(index, (name, shape))| {
        let count: usize = shape.iter().product();
        let values = (0..count).map(|value| (100 * index + value) as f32).collect();
        Variable { name: (*name).to_owned(), shape: shape.to_vec(), values }
    });
    Archive { arrays: arrays.collect(), ..Archive::default() }
}

fn names(renamed: &Renamed) -> Vec<&str> {
    renamed.archive.arrays.iter().map(|variable| &*variable.name).collect()
}

/// The only network of an archive, renamed.
fn renamed(arrays: &[(&str, &[usize])], head: Head) -> (ResidualLocation, Renamed) {
    let archive = archive(arrays);
    let [location] = &recognise(&archive)[..] else { panic!("one network") };
    (location.clone(), with_own_names(archive, location, head))
}

#[test]
fn every_array_of_sybil_has_one_name_here() {
    let sybil = ResidualLayout::Sybil;
    let own = |name: &str| match sybil.use_of(name) {
        Some(Use::Array(own)) => own,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(own("image_encoder.0.1.running_var"), "stem/batch_norm/moving_variance");
    assert_eq!(own("image_encoder.4.1.conv2.0.weight"), "layer4/1/conv2/conv_3d/w");
    assert_eq!(
        own("image_encoder.2.0.downsample.1.weight"),
        "layer2/0/downsample/batch_norm/gamma"
    );
    assert_eq!(own("pool.image_pool1.attention_fc.bias"), "Pool/Position_attention/b");
    assert_eq!(own("pool.volume_pool1.attention_fc.weight"), "Pool/Slice_attention/w");
    assert_eq!(own("pool.volume_pool2.conv1d.weight"), "Pool/Slice_convolution/w");
    assert_eq!(
        own("pool.volume_pool2.aggregate.attention_fc.weight"),
        "Pool/Convolved_attention/w"
    );
    assert_eq!(own("pool.hidden_fc.bias"), "Pool/Hidden/b");
    for extra in ["pool.multi_img_hidden_fc.weight", "prob_of_failure_layer.upper_triagular_mask"] {
        assert!(matches!(sybil.use_of(extra), Some(Use::Extra(_))), "{extra}");
    }
    for unknown in
        ["image_encoder.5.0.weight", "image_encoder.1.0.conv1.2.weight", "pool.fc.weight"]
    {
        assert_eq!(sybil.use_of(unknown), None, "{unknown}");
    }
    let torchvision = ResidualLayout::Torchvision;
    let expected = Some(Use::Array("layer3/0/conv1/batch_norm/beta".to_owned()));
    assert_eq!(torchvision.use_of("layer3.0.conv1.1.bias"), expected);
    assert_eq!(torchvision.use_of("layer5.0.conv1.1.bias"), None);
}

const SYBIL: [(&str, &[usize]); 8] = [
    ("optimizer_states.0.exp_avg", &[2]),
    ("state_dict.model.image_encoder.0.1.weight", &[2]),
    ("state_dict.model.image_encoder.0.0.weight", &[2, 3, 3, 7, 7]),
    ("state_dict.model.prob_of_failure_layer.base_hazard_fc.bias", &[1]),
    ("state_dict.model.prob_of_failure_layer.base_hazard_fc.weight", &[1, 4]),
    ("state_dict.model.prob_of_failure_layer.hazard_fc.bias", &[6]),
    ("state_dict.model.prob_of_failure_layer.hazard_fc.weight", &[6, 4]),
    ("state_dict.model.prob_of_failure_layer.upper_triagular_mask", &[6, 6]),
];

#[test]
fn the_base_of_sybil_is_the_first_output_and_its_hazards_follow() {
    let (location, network) = renamed(&SYBIL, Head::Load);
    assert_eq!((location.layout, &*location.prefix), (ResidualLayout::Sybil, "state_dict.model."));
    let [kernel_name, bias_name] = head_names();
    let expected = ["stem/batch_norm/gamma", "stem/conv_3d/w", &kernel_name, &bias_name];
    assert_eq!(names(&network), expected);
    let [kernel, bias] = [&network.archive.arrays[2], &network.archive.arrays[3]];
    assert_eq!((&kernel.shape[..], &bias.shape[..]), (&[7, 4][..], &[7][..]));
    assert_eq!((kernel.values[0], kernel.values[4]), (400.0, 600.0));
    assert_eq!((bias.values[0], bias.values[1], bias.values[6]), (300.0, 500.0, 505.0));
    let unused = network.archive.unused_entries.iter();
    let unused: Vec<&str> = unused.map(|entry| &*entry.name).collect();
    assert_eq!(unused, [SYBIL[0].0, SYBIL[7].0]);
    let (_, encoder) = renamed(&SYBIL, Head::New);
    assert_eq!(names(&encoder), expected[..2]);
}

#[test]
fn missing_and_unknown_arrays_are_named() {
    let mut arrays = SYBIL.to_vec();
    arrays.remove(6);
    arrays.push(("state_dict.model.pool.other.weight", &[1]));
    let (_, Renamed { problems, .. }) = renamed(&arrays, Head::Load);
    assert!(
        problems[0].starts_with("state_dict.model.pool.other.weight is unknown"),
        "{problems:?}"
    );
    assert_eq!(problems[1], "prob_of_failure_layer.hazard_fc.weight is missing");
    arrays = SYBIL.to_vec();
    arrays[6].1 = &[6, 5];
    let (_, Renamed { problems, .. }) = renamed(&arrays, Head::Load);
    assert_eq!(problems, ["prob_of_failure_layer.hazard_fc.weight has shape [6, 5]"]);
    assert_eq!(recognise(&archive(&SYBIL[..2])), []);
}

#[test]
fn torchvision_is_recognised_without_a_prefix() {
    let arrays: [(&str, &[usize]); 4] = [
        ("fc.bias", &[400]),
        ("fc.weight", &[400, 2]),
        ("layer1.0.conv1.0.weight", &[2, 2, 3, 3, 3]),
        ("stem.0.weight", &[2, 3, 3, 7, 7]),
    ];
    let (location, network) = renamed(&arrays, Head::New);
    assert_eq!(location.layout, ResidualLayout::Torchvision);
    assert_eq!(names(&network), ["layer1/0/conv1/conv_3d/w", "stem/conv_3d/w"]);
    let (_, with_head) = renamed(&arrays, Head::Load);
    assert_eq!(with_head.archive.arrays.len(), 4);
}

#[test]
fn every_array_of_merlin_has_one_name_here() {
    let merlin = ResidualLayout::Merlin;
    let own = |name: &str| match merlin.use_of(name) {
        Some(Use::Array(own)) => own,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(own("conv1.weight"), "stem/conv_3d/w");
    assert_eq!(own("bn1.running_mean"), "stem/batch_norm/moving_mean");
    assert_eq!(own("layer3.35.bn3.weight"), "layer3/35/conv3/batch_norm/gamma");
    assert_eq!(own("layer2.0.downsample.1.bias"), "layer2/0/downsample/batch_norm/beta");
    for extra in ["bn1.num_batches_tracked", "classifier.weight", "contrastive_head.bias"] {
        assert!(matches!(merlin.use_of(extra), Some(Use::Extra(_))), "{extra}");
    }
    for unknown in [
        "layer1.0.conv1.bias",
        "layer1.x.conv1.weight",
        "layer1.0.se.weight",
        "layer1.0.downsample.2.weight",
    ] {
        assert_eq!(merlin.use_of(unknown), None, "{unknown}");
    }
}

#[test]
fn merlin_is_recognised_under_its_prefix_and_flat_networks_are_not() {
    let prefix = "model.encode_image.i3_resnet.";
    let names = [format!("{prefix}conv1.weight"), format!("{prefix}classifier.weight")];
    let arrays: [(&str, &[usize]); 3] = [
        ("model.encode_text.embedding.weight", &[4, 4]),
        (&names[0], &[64, 3, 3, 7, 7]),
        (&names[1], &[2, 2048, 1, 1, 1]),
    ];
    let (location, network) = renamed(&arrays, Head::New);
    assert_eq!((location.layout, &*location.prefix), (ResidualLayout::Merlin, prefix));
    assert_eq!(network.problems, Vec::<String>::new());
    assert_eq!(network.archive.unused_entries.len(), 2);
    let flat: [(&str, &[usize]); 1] = [("conv1.weight", &[64, 3, 7, 7])];
    assert_eq!(recognise(&archive(&flat)), []);
}

#[test]
fn another_prefix_is_an_error_that_names_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    let archive = archive(&[("model.stem.0.weight", &[2, 3, 3, 7, 7])]);
    let metadata = crate::model::Metadata::new();
    crate::model::save_variables(&archive.arrays, &file, &metadata).unwrap();
    let error = crate::weights::load(&file, Some("other."), Head::New).unwrap_err().to_string();
    assert!(
        error.ends_with("no network with the prefix \"other.\"; expected one of: \"model.\""),
        "{error}"
    );
}
