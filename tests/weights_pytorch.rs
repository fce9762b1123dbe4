//! Files that PyTorch wrote (tests/vectors/pytorch/make.py), intact and damaged.

use lungs_net::weights::{Archive, pytorch, safetensors};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/pytorch").join(name)
}

fn array(archive: &Archive, name: &str) -> (Vec<usize>, Vec<f32>) {
    let array = archive.arrays.iter().find(|array| array.name == name);
    let array = array.unwrap_or_else(|| panic!("{name} is missing"));
    (array.shape.clone(), array.values.clone())
}

fn quarters(numbers: &[u8]) -> Vec<f32> {
    numbers.iter().map(|number| f32::from(*number) / 4.0).collect()
}

#[test]
fn every_type_and_view_is_read_from_either_container() {
    let all: Vec<u8> = (0..24).collect();
    for file in ["kinds.pt", "kinds-older.pt"] {
        let archive = pytorch::read(&vector(file)).unwrap();
        for name in ["f32", "f64", "f16", "bf16"] {
            assert_eq!(array(&archive, name), (vec![2, 3, 4], quarters(&all)), "{name}");
        }
        assert_eq!(array(&archive, "scalar"), (vec![], vec![37.5]));
        assert_eq!(array(&archive, "empty"), (vec![0, 4], vec![]));
        assert_eq!(array(&archive, "parameter"), (vec![2], vec![1.5, -2.0]));
        let expanded = vec![1.0, 1.0, 1.0, 2.0, 2.0, 2.0];
        assert_eq!(array(&archive, "expanded"), (vec![2, 3], expanded));
        let sliced = [4, 6, 8, 10, 16, 18, 20, 22];
        assert_eq!(array(&archive, "sliced"), (vec![2, 2, 2], quarters(&sliced)));
        let (shape, values) = array(&archive, "transposed");
        assert_eq!(
            (shape, &values[..7]),
            (vec![4, 2, 3], &quarters(&[0, 4, 8, 12, 16, 20, 1])[..])
        );
        let unused: Vec<&str> = archive.unused_entries.iter().map(|entry| &*entry.name).collect();
        assert_eq!(unused, ["flags", "i64"]);
    }
}

#[test]
fn nested_dictionaries_become_names_and_other_entries_are_described() {
    for file in ["training.pt", "training-older.pt", "training-protocol-4.pt"] {
        let archive = pytorch::read(&vector(file)).unwrap();
        let weight = array(&archive, "state_dict.module.weight");
        assert_eq!(weight, (vec![1, 2], vec![0.5, -0.25]), "{file}");
        assert_eq!(array(&archive, "state_dict.module.bias"), (vec![1], vec![0.125]));
        let description = |name: &str| {
            let entry = archive.unused_entries.iter().find(|entry| entry.name == name);
            entry.map(|entry| &*entry.description)
        };
        assert_eq!(description("epoch"), Some("number"));
        assert_eq!(description("arguments"), Some("object"));
        assert!(archive.arrays.iter().any(|array| array.name == "optimizer.state.0.exp_avg"));
    }
}

/// A Namespace that contains itself, a class as a key and an object whose pickle calls `print`: none is built.
#[test]
fn a_checkpoint_of_lightning_is_read_and_its_objects_are_not_built() {
    for file in ["lightning.ckpt", "lightning-older.ckpt"] {
        let (kind, archive) = lungs_net::weights::read_archive(&vector(file)).unwrap();
        assert_eq!(kind, lungs_net::weights::FileKind::PyTorch);
        let eighths = |count: u8| (0..count).map(|number| f32::from(number) / 8.0).collect();
        let name = |name: &str| format!("state_dict.model.{name}");
        let kernel = array(&archive, &name("image_encoder.0.0.weight"));
        assert_eq!(kernel, (vec![2, 3, 1, 1, 1], eighths(6)), "{file}");
        let hazard = array(&archive, &name("prob_of_failure_layer.hazard_fc.weight"));
        assert_eq!(hazard, (vec![6, 2], eighths(12)));
        let convolution = array(&archive, &name("pool.volume_pool2.conv1d.weight"));
        assert_eq!(convolution, (vec![2, 2, 11], eighths(44)));
        let mask = array(&archive, &name("prob_of_failure_layer.upper_triagular_mask"));
        assert_eq!((mask.0, mask.1.iter().sum::<f32>()), (vec![6, 6], 21.0));
        let description = |name: &str| {
            let entry = archive.unused_entries.iter().find(|entry| entry.name == name);
            entry.map(|entry| &*entry.description)
        };
        for object in ["args", "hyper_parameters.args", "callbacks.EarlyStopping"] {
            assert_eq!(description(object), Some("object"), "{file}: {object}");
        }
    }
}

#[test]
fn a_pickled_model_is_an_error_with_advice_and_is_not_executed() {
    let error = pytorch::read(&vector("model.pt")).unwrap_err().to_string();
    assert!(error.contains("torch.save(model.state_dict(), …)"), "{error}");
}

#[test]
fn safetensors_of_other_types_are_read() {
    let archive = safetensors::read(&vector("kinds.safetensors")).unwrap();
    assert_eq!(array(&archive, "f16"), array(&archive, "f32"));
    assert_eq!(archive.unused_entries[0].name, "i64");
    assert_eq!(archive.metadata["by"], "make.py");
}

#[test]
fn damaged_files_do_not_panic_and_errors_name_the_file() {
    let scratch = tempfile::tempdir().unwrap();
    let files = [
        "kinds.pt",
        "kinds-older.pt",
        "training.pt",
        "lightning.ckpt",
        "lightning-older.ckpt",
        "kinds.safetensors",
    ];
    for file in files {
        let intact = fs::read(vector(file)).unwrap();
        let path = scratch.path().join(file);
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let is_safetensors = file.ends_with(".safetensors");
            let read = if is_safetensors { safetensors::read } else { pytorch::read };
            if let Err(error) = read(&path) {
                assert!(error.to_string().contains(file), "{error}");
            }
        };
        for index in (0..intact.len()).step_by(intact.len() / 700 + 1) {
            read(&intact[..index]);
            for bit in [0, 7] {
                let mut damaged = intact.clone();
                damaged[index] ^= 1 << bit;
                read(&damaged);
            }
            // An absurd length.
            let mut damaged = intact.clone();
            for byte in damaged.iter_mut().skip(index).take(8) {
                *byte = 0xff;
            }
            read(&damaged);
        }
    }
}

#[test]
fn big_endian_numbers_are_an_error_with_advice() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("big.pt");
    let mut from = zip::ZipArchive::new(fs::File::open(vector("kinds.pt")).unwrap()).unwrap();
    let mut to = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut has_byte_order = false;
    for index in 0..from.len() {
        let mut entry = from.by_index(index).unwrap();
        let name = entry.name().to_owned();
        to.start_file(&name, stored).unwrap();
        if name.ends_with("/byteorder") {
            to.write_all(b"big").unwrap();
            has_byte_order = true;
        } else {
            std::io::copy(&mut entry, &mut to).unwrap();
        }
    }
    to.finish().unwrap();
    assert!(has_byte_order);
    let error = pytorch::read(&path).unwrap_err().to_string();
    assert!(error.contains("big-endian"), "{error}");
}

/// An older stream with this pickle as its object.
fn stream(object: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03.\x80\x02}.\x80\x02");
    bytes.extend(object);
    bytes.extend(b".\x80\x02].");
    bytes
}

#[test]
fn malicious_pickles_are_errors() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("bomb.pt");
    let error_of = |object: &[u8]| {
        fs::write(&path, stream(object)).unwrap();
        pytorch::read(&path).unwrap_err().to_string()
    };
    // A million nested lists.
    let mut nested = vec![b']'; 1_000_000];
    nested.extend(vec![b'a'; 999_999]);
    assert!(error_of(&nested).contains("no floating-point tensor"));
    // A list of lists of the same list: 2^40 of them.
    let mut laughs = b"]".to_vec();
    laughs.extend([b"q\x00"[..].to_vec(), b"]h\x00ah\x00aq\x00".repeat(40)].concat());
    let error = error_of(&laughs);
    assert!(error.contains("no floating-point tensor") || error.contains("without end"), "{error}");
    // A dictionary that contains itself.
    assert!(error_of(b"}q\x00U\x01ah\x00s").contains("no floating-point tensor"));
    // A call that would run a command; only its name is kept.
    assert!(error_of(b"cos\nsystem\nU\x04true\x85R").contains("no floating-point tensor"));
    // A Namespace whose state is set by a call, and objects made in every other way.
    for object in [
        &b"cargparse\nNamespace\n)\x81}U\x01acos\nsystem\nU\x04true\x85Rsb"[..],
        b"(cos\nsystem\nU\x04trueo",
        b"(U\x04trueios\nsystem\n",
        b"cbuiltins\neval\nU\x011\x85R}U\x01aK\x01sb",
        b"ccopyreg\n__newobj_ex__\ncargparse\nNamespace\n)}\x87R",
    ] {
        assert!(error_of(object).contains("no floating-point tensor"), "{object:?}");
    }
    // A text of 2^60 bytes.
    let error = error_of(b"\x8d\x00\x00\x00\x00\x00\x00\x00\x10x");
    assert!(error.contains("1152921504606846976 bytes"), "{error}");
}
