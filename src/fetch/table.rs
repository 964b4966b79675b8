//! The files that `jemscript fetch` knows: where their authors publish them, how large they are,
//! and their checksums.

use crate::error::{Error, Result};

/// A data set that can be fetched.
pub struct Known {
    /// The name of its folder, as its reader in `data::` looks for it.
    pub name: &'static str,
    /// What it is.
    pub title: &'static str,
    /// Who made it and what may be done with it.
    pub licence: &'static str,
    /// The folder of the files on the net.
    pub home: &'static str,
    /// Its files.
    pub files: &'static [KnownFile],
}

/// One file.
pub struct KnownFile {
    /// Its name at the home and here.
    pub name: &'static str,
    /// Its MD5 sum, as its authors or their readers in common libraries publish it.
    pub md5: &'static str,
    /// About how many bytes it has, for the list.
    pub size: u64,
    /// Whether it comes only when asked for.
    pub optional: bool,
}

const fn file(name: &'static str, md5: &'static str, size: u64) -> KnownFile {
    KnownFile {
        name,
        md5,
        size,
        optional: false,
    }
}

/// All data sets.
pub const KNOWN: &[Known] = &[
    Known {
        name: "cifar10",
        title: "CIFAR-10: 60,000 colour images of 32×32 in 10 classes",
        licence: "A. Krizhevsky, \"Learning Multiple Layers of Features from Tiny Images\", 2009; no licence is stated, please cite",
        home: "https://www.cs.toronto.edu/~kriz",
        files: &[file(
            "cifar-10-binary.tar.gz",
            "c32a1d4ab5d03f1284b67883e8d87530",
            170_052_171,
        )],
    },
    Known {
        name: "cifar100",
        title: "CIFAR-100: 60,000 colour images of 32×32 in 100 classes",
        licence: "A. Krizhevsky, \"Learning Multiple Layers of Features from Tiny Images\", 2009; no licence is stated, please cite",
        home: "https://www.cs.toronto.edu/~kriz",
        files: &[file(
            "cifar-100-binary.tar.gz",
            "03b5dce01913d631647c71ecec9e9cb8",
            168_513_733,
        )],
    },
    Known {
        name: "svhn",
        title: "SVHN: 99,289 house numbers of 32×32 (531,131 more with --extra)",
        licence: "Y. Netzer et al., \"Reading Digits in Natural Images with Unsupervised Feature Learning\", 2011; for non-commercial use only",
        home: "http://ufldl.stanford.edu/housenumbers",
        files: &[
            file(
                "train_32x32.mat",
                "e26dedcc434d2e4c54c9b2d4a06d8373",
                182_040_794,
            ),
            file(
                "test_32x32.mat",
                "eb5a983be6a315427106f1b164d9cef3",
                64_275_384,
            ),
            KnownFile {
                name: "extra_32x32.mat",
                md5: "a93ce644f1a588dc4d68dda5feec44a7",
                size: 1_329_278_602,
                optional: true,
            },
        ],
    },
    Known {
        name: "mnist",
        title: "MNIST: 70,000 grey digits of 28×28",
        licence: "Y. LeCun, C. Cortes, C. Burges; no licence is stated, please cite",
        home: "https://ossci-datasets.s3.amazonaws.com/mnist",
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                9_912_422,
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                "d53e105ee54ea40749a09fcbcd1e9432",
                28_881,
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                "9fb629c4189551a2d022fa330f9573f3",
                1_648_877,
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                "ec29112dd5afa0611ce80d1b7f02629c",
                4_542,
            ),
        ],
    },
    Known {
        name: "fashion-mnist",
        title: "Fashion-MNIST: 70,000 grey pieces of clothing of 28×28",
        licence: "H. Xiao, K. Rasul, R. Vollgraf, 2017; MIT licence",
        home: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        files: &[
            file(
                "train-images-idx3-ubyte.gz",
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                26_421_880,
            ),
            file(
                "train-labels-idx1-ubyte.gz",
                "25c81989df183df01b3e8a0aad5dffbe",
                29_515,
            ),
            file(
                "t10k-images-idx3-ubyte.gz",
                "bef4ecab320f06d8554ea6380940ec79",
                4_422_102,
            ),
            file(
                "t10k-labels-idx1-ubyte.gz",
                "bb300cfdad3c16e7a12a480ee83cd310",
                5_148,
            ),
        ],
    },
];

/// A data set by its name; `fashion_mnist`, as in scripts, is `fashion-mnist`.
pub fn known(name: &str) -> Result<&'static Known> {
    let wanted = name.replace('_', "-").to_lowercase();
    KNOWN
        .iter()
        .find(|k| k.name == wanted || k.name == wanted.replace('-', ""))
        .ok_or_else(|| {
            Error::unknown(
                &format!("fetch: no data set `{name}` is known"),
                name,
                KNOWN.iter().map(|k| k.name),
            )
        })
}
