//! The section on methods: how the data were divided and prepared, the network, its training, and the statistics with
//! their references.

use super::{RunPage, table};
use crate::page::number;
use lungs_base::text::counted;
use lungs_image::volume::Interpolation;
use lungs_spec::spec::{
    Augment, ClassWeights, Compat, Hazard, LossName, ModelName, Outcome, PoolName, Recalibrate,
    Sampling, SelectEpoch, Spec, Stratify,
};
use maud::{Markup, html};

pub(super) fn section(page: &RunPage) -> Markup {
    let spec = page.spec;
    let rows = [
        ("Series", series(spec)),
        ("Partition", partition(spec)),
        ("Preparation", preparation(spec)),
        ("Network", network(page)),
        ("Training", training(spec)),
        ("Selection of the epoch", selection(spec)),
        ("Recalibration", recalibration(spec)),
        ("Statistics", statistics(page)),
    ];
    html! {
        section #methods {
            h2 { "Methods" }
            (table(&["", ""], rows.map(|(name, text)| vec![name.to_owned(), text])))
            details {
                summary { h3 { "References" } }
                ul.references { @for reference in references(page) { li { (reference) } } }
            }
        }
    }
}

fn series(spec: &Spec) -> String {
    let select = &spec.data.select;
    format!(
        "One series per exam: of those with at least {} slices that are at most {} mm apart, the first by \
         data.select.prefer.",
        select.min_slices,
        number(select.max_slice_spacing_mm, 2)
    )
}

fn partition(spec: &Spec) -> String {
    let split = &spec.split;
    let how = match split.stratify {
        Stratify::Label => ", stratified by patients with and without cancer",
        Stratify::None => "",
    };
    let by_patient = "All exams of a patient are in one split.";
    if split.folds > 0 {
        return format!(
            "{}-fold cross-validation by patient{how}; seed {}. {by_patient}",
            split.folds, spec.experiment.seed
        );
    }
    let lists = &split.lists;
    let has_lists = [&lists.train, &lists.valid, &lists.test].into_iter().any(Option::is_some);
    if spec.data.train_list.is_some() || has_lists {
        return format!("By lists of the authors. {by_patient}");
    }
    let share = |share: f64| number(100.0 * share, 1);
    format!(
        "Patients were drawn at random into training ({} %), validation ({} %) and test ({} %){how}; seed \
         {}. {by_patient}",
        share(split.train),
        share(split.valid),
        share(split.test),
        spec.experiment.seed
    )
}

fn preparation(spec: &Spec) -> String {
    let preprocess = &spec.preprocess;
    let interpolation = match preprocess.interpolation {
        Interpolation::Cubic => "cubic splines",
        Interpolation::Linear => "linear interpolation",
    };
    let [depth, height, width] = preprocess.size;
    if preprocess.compat == Compat::Sybil {
        return format!(
            "Series were prepared with the arithmetic of Sybil (Mikhael et al. 2023): 256 grey levels of -1350 to 149 \
             HU, axial slices of 256 × 256 pixels, linear resampling by the slice thickness and the pixel spacing \
             in the header, and {depth} × {height} × {width} voxels around the middle, padded with the mean grey \
             level."
        );
    }
    format!(
        "Stored values were converted to Hounsfield units, resampled to {} mm by {interpolation}, and cropped \
         to {depth} × {height} × {width} voxels around the lungs, which were found by thresholds and \
         connected components. The window of the network is {} to {} HU.",
        number(preprocess.spacing_mm, 3),
        number(preprocess.window.lower_hu, 1),
        number(preprocess.window.upper_hu, 1)
    )
}

fn network(page: &RunPage) -> String {
    let model = &page.spec.model;
    let weights = match page.provenance.as_ref().and_then(|it| it.initial_weights.as_ref()) {
        Some(_) => format!("Initial weights: {}.", file_name(&model.init)),
        None => "Initial weights were drawn at random.".to_owned(),
    };
    format!(
        "{} over {} slices with {}{}; width {}, dropout {}. {weights} Output: {}, one network without \
         ensemble.",
        match model.name {
            ModelName::I3d => "Three-dimensional Inception-v1 (I3D; Carreira & Zisserman 2017)",
            ModelName::R3d18 =>
                "Three-dimensional residual network of 18 layers (R3D; Tran et al. 2018)",
            ModelName::I3Resnet152 => "ResNet-152 (He et al. 2016) with inflated kernels",
        },
        model.slices,
        if model.channels == 1 {
            "1 channel".to_owned()
        } else {
            format!("{} channels", model.channels)
        },
        match (model.name, model.pool) {
            (ModelName::I3d, _) => ", as in Ardila et al. 2019",
            (_, PoolName::Average) => ", and the mean over positions",
            (_, PoolName::Sybil) => ", and the pooling of Sybil (Mikhael et al. 2023)",
        },
        number(model.width, 3),
        number(1.0 - model.keep_prob, 3),
        output(&page.spec.outcome)
    )
}

/// What the network predicts.
fn output(outcome: &Outcome) -> String {
    let years = outcome.horizons().iter().map(|years| number(*years, 2)).collect::<Vec<_>>();
    let hazard = match outcome.hazard {
        Hazard::Softplus => "softplus",
        Hazard::Relu => "ReLU",
    };
    match years.split_last() {
        None => "probability of cancer".to_owned(),
        Some((last, before)) => format!(
            "risk of cancer within {}{}{last} years, whose log-odds are a base and the sum of the hazards of the years \
             ({hazard}; Mikhael et al. 2023)",
            before.join(", "),
            if before.is_empty() { "" } else { " and " }
        ),
    }
}

/// The last part of a path; other words stay.
fn file_name(init: &str) -> &str {
    init.rsplit(['/', '\\']).next().unwrap_or(init)
}

fn training(spec: &Spec) -> String {
    let train = &spec.train;
    let loss = match spec.loss.name {
        LossName::CrossEntropy => "cross-entropy".to_owned(),
        LossName::Focal => format!("focal loss (γ {}, α {})", spec.loss.gamma, spec.loss.alpha),
    };
    let loss = if spec.outcome.is_survival() {
        format!("{loss} of each year at which the exam is known to have cancer or to be free of it")
    } else {
        loss
    };
    let sampling = match train.sampling {
        Sampling::Shuffle => "every exam once per epoch",
        Sampling::Balanced => "as many draws with as without cancer",
    };
    let weights = match spec.loss.class_weights {
        ClassWeights::None => "equal weights of exams".to_owned(),
        ClassWeights::Balanced => "equal total weights of both classes".to_owned(),
        ClassWeights::PerClass([negative, positive]) => {
            format!("weights of {negative} without and {positive} with cancer")
        }
    };
    format!(
        "Loss: {loss}. Adam, learning rate {}, {} per step, {}. Augmentation: {}. Classes: \
         {sampling}; {weights}.",
        train.learning_rate,
        counted(train.batch_size * train.accumulate.max(1), "exam", "exams"),
        counted(train.epochs, "epoch", "epochs"),
        augmentation(&train.augment)
    )
}

fn augmentation(augment: &Augment) -> String {
    let flips = [
        (augment.flip_width, "left and right"),
        (augment.flip_height, "front and back"),
        (augment.flip_depth, "head and feet"),
    ];
    let flips = flips.into_iter().filter(|(on, _)| *on).map(|(_, axis)| format!("flips of {axis}"));
    let amounts = [
        (augment.shift_voxels as f64, "shifts up to", "voxels"),
        (augment.rotate_degrees, "rotations up to", "degrees"),
        (augment.scale, "scaling up to", "of the size"),
        (augment.shift_hu, "offsets up to", "HU"),
        (augment.noise_hu, "noise of", "HU"),
    ];
    let amounts = amounts.into_iter().filter(|(amount, ..)| *amount > 0.0);
    let amounts =
        amounts.map(|(amount, what, unit)| format!("{what} {} {unit}", number(amount, 3)));
    let all: Vec<String> = flips.chain(amounts).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn selection(spec: &Spec) -> String {
    let best = match spec.train.select {
        SelectEpoch::BestValidAuc => "highest AUC",
        SelectEpoch::BestValidLoss => "lowest loss",
        SelectEpoch::BestValidAveragePrecision => "highest average precision",
        SelectEpoch::BestValidBrier => "lowest Brier score",
        SelectEpoch::BestValidCIndex => "highest C-index",
        SelectEpoch::BestValidAccuracy => "highest accuracy",
        SelectEpoch::Last => return "The last epoch.".to_owned(),
    };
    format!("The epoch with the {best} on the validation exams.")
}

fn recalibration(spec: &Spec) -> String {
    match spec.evaluate.recalibrate {
        Recalibrate::None => "None.",
        Recalibrate::Platt => {
            "Logistic recalibration (Platt 1999), fitted on the validation exams."
        }
        Recalibrate::Isotonic => {
            "Isotonic regression (Zadrozny & Elkan 2002), fitted on the validation exams."
        }
    }
    .to_owned()
}

fn statistics(page: &RunPage) -> String {
    let repeated = page.splits.iter().any(|split| split.metrics.patients < split.metrics.exams);
    let (auc, share) = if repeated {
        (
            "Obuchowski's variance (1997), as patients have several exams",
            "Wilson's interval (1927) \
          with the effective number of exams (Rao & Scott 1992)",
        )
    } else {
        ("DeLong's variance (1988)", "Wilson's interval (1927)")
    };
    let replicates = page.splits.last().map_or(0, |split| split.metrics.auc.bootstrap_replicates);
    let bootstrap = if replicates > 0 {
        format!(
            "Other metrics and bands: percentiles of {replicates} bootstrap replicates of patients. "
        )
    } else {
        "Other metrics have no interval: a class has too few exams for the bootstrap. ".to_owned()
    };
    let survival = if has_survival(page) { SURVIVAL } else { "" };
    format!(
        "95 % confidence intervals. AUC: {auc}, on the logit scale, or a score interval where few exams of a \
         class make it too short (Newcombe 2006). Sensitivity, specificity, predictive values and accuracy: \
         {share}. {bootstrap}Standardised partial AUC: McClish 1989. Calibration: slope and intercept of \
         logistic regression on the log-odds (Cox 1958), Brier score (1950), a smooth curve with ICI, E50, E90 and Emax \
         (Austin & Steyerberg 2019). Likelihood ratios: Koopman 1984. Decision curve: Vickers & Elkin \
         2006, standardised as Kerr et al. 2016. Subgroups: Cochran's Q over the AUCs, p-values corrected by Holm's method (1979). Standardised \
         differences of characteristics: Austin 2009; of more than two levels, Yang & Dalton 2012. The \
         threshold that leads this page is the one stated in advance (evaluate.threshold), or else one chosen \
         on the validation exams.{survival}"
    )
}

/// Whether a split has metrics of the risks of several years.
fn has_survival(page: &RunPage) -> bool {
    page.splits.iter().any(|split| split.metrics.survival.is_some())
}

/// The methods of the risks of several years.
const SURVIVAL: &str = " Risk over several years: AUC(t) of exams with cancer within t years against exams free of it, \
weighted by the inverse probability of censoring (Uno et al. 2007; Hung & Chiang 2010; variance of Blanche et al. 2013), \
Harrell's C (1982) and Uno's C (2011) of the risk at the last horizon, Brier score (Graf et al. 1999), index of prediction \
accuracy (Kattan & Gerds 2018), observed risk by Kaplan & Meier (1958), calibration slope by weighted logistic regression \
(Gerds et al. 2014); standard errors by the empirical influence function, summed by patient. Exams that leave without \
cancer are taken to have the risk of those that stay.";

/// The references of the methods of a page, in alphabetical order.
fn references(page: &RunPage) -> Vec<&'static str> {
    let survival: &[&str] = if has_survival(page) { &SURVIVAL_REFERENCES } else { &[] };
    let mut all: Vec<&str> = REFERENCES.iter().chain(survival).copied().collect();
    all.sort_unstable();
    all
}

/// The references of the methods; digital object identifiers are not links, as the page loads nothing.
const REFERENCES: [&str; 25] = [
    "Ardila D, et al. End-to-end lung cancer screening with three-dimensional deep learning on low-dose chest computed tomography. Nat Med 2019;25:954–961. doi:10.1038/s41591-019-0447-x",
    "Austin PC. Balance diagnostics for comparing the distribution of baseline covariates between treatment groups in propensity-score matched samples. Stat Med 2009;28:3083–3107. doi:10.1002/sim.3697",
    "Austin PC, Steyerberg EW. The Integrated Calibration Index (ICI) and related metrics for quantifying the calibration of logistic regression models. Stat Med 2019;38:4051–4065. doi:10.1002/sim.8281",
    "Brier GW. Verification of forecasts expressed in terms of probability. Mon Weather Rev 1950;78:1–3.",
    "Carreira J, Zisserman A. Quo vadis, action recognition? A new model and the Kinetics dataset. CVPR 2017. doi:10.1109/CVPR.2017.502",
    "Collins GS, et al. TRIPOD+AI statement. BMJ 2024;385:e078378. doi:10.1136/bmj-2023-078378",
    "Cox DR. Two further applications of a model for binary regression. Biometrika 1958;45:562–565. doi:10.1093/biomet/45.3-4.562",
    "DeLong ER, DeLong DM, Clarke-Pearson DL. Comparing the areas under two or more correlated receiver operating characteristic curves. Biometrics 1988;44:837–845. doi:10.2307/2531595",
    "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65–70.",
    "Kerr KF, et al. Assessing the clinical impact of risk prediction models with decision curves. J Clin Oncol 2016;34:2534–2540. doi:10.1200/JCO.2015.65.5654",
    "Koopman PAR. Confidence intervals for the ratio of two binomial proportions. Biometrics 1984;40:513–517. doi:10.2307/2531405",
    "McClish DK. Analyzing a portion of the ROC curve. Med Decis Making 1989;9:190–195. doi:10.1177/0272989X8900900307",
    "Mercaldo ND, Lau KF, Zhou XH. Confidence intervals for predictive values with an emphasis to case–control studies. Stat Med 2007;26:2170–2183. doi:10.1002/sim.2677",
    "Newcombe RG. Confidence intervals for an effect size measure based on the Mann–Whitney statistic. Part 2. Stat Med 2006;25:559–573. doi:10.1002/sim.2324",
    "Obuchowski NA. Nonparametric analysis of clustered ROC curve data. Biometrics 1997;53:567–578. doi:10.2307/2533958",
    "Platt J. Probabilistic outputs for support vector machines and comparisons to regularized likelihood methods. In: Advances in Large Margin Classifiers, 1999.",
    "Rao JNK, Scott AJ. A simple method for the analysis of clustered binary data. Biometrics 1992;48:577–585. doi:10.2307/2532311",
    "Sun X, Xu W. Fast implementation of DeLong's algorithm. IEEE Signal Process Lett 2014;21:1389–1393. doi:10.1109/LSP.2014.2337313",
    "Tejani AS, et al. Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 update. Radiol Artif Intell 2024;6:e240300. doi:10.1148/ryai.240300",
    "Vickers AJ, Elkin EB. Decision curve analysis. Med Decis Making 2006;26:565–574. doi:10.1177/0272989X06295361",
    "Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc 1927;22:209–212. doi:10.1080/01621459.1927.10502953",
    "Yang D, Dalton JE. A unified approach to measuring the effect size between two groups using SAS. SAS Global Forum 2012, paper 335.",
    "Youden WJ. Index for rating diagnostic tests. Cancer 1950;3:32–35.",
    "Zadrozny B, Elkan C. Transforming classifier scores into accurate multiclass probability estimates. KDD 2002. doi:10.1145/775047.775151",
    "Bossuyt PM, et al. STARD 2015. BMJ 2015;351:h5527. doi:10.1136/bmj.h5527",
];

/// The references of the risks of several years.
const SURVIVAL_REFERENCES: [&str; 10] = [
    "Blanche P, Dartigues JF, Jacqmin-Gadda H. Estimating and comparing time-dependent areas under receiver operating characteristic curves for censored event times with competing risks. Stat Med 2013;32:5381–5397. doi:10.1002/sim.5958",
    "Gerds TA, Andersen PK, Kattan MW. Calibration plots for risk prediction models in the presence of competing risks. Stat Med 2014;33:3191–3203. doi:10.1002/sim.6152",
    "Graf E, et al. Assessment and comparison of prognostic classification schemes for survival data. Stat Med 1999;18:2529–2545. doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5",
    "Harrell FE, et al. Evaluating the yield of medical tests. JAMA 1982;247:2543–2546. doi:10.1001/jama.1982.03320430047030",
    "Hung H, Chiang CT. Estimation methods for time-dependent AUC models with survival data. Can J Stat 2010;38:8–26. doi:10.1002/cjs.10046",
    "Kaplan EL, Meier P. Nonparametric estimation from incomplete observations. J Am Stat Assoc 1958;53:457–481. doi:10.1080/01621459.1958.10501452",
    "Kattan MW, Gerds TA. The index of prediction accuracy: an intuitive measure useful for evaluating risk prediction models. Diagn Progn Res 2018;2:7. doi:10.1186/s41512-018-0029-2",
    "Mikhael PG, et al. Sybil: a validated deep learning model to predict future lung cancer risk from a single low-dose chest computed tomography. J Clin Oncol 2023;41:2191–2200. doi:10.1200/JCO.22.01345",
    "Uno H, et al. Evaluating prediction rules for t-year survivors with censored regression models. J Am Stat Assoc 2007;102:527–537. doi:10.1198/016214507000000149",
    "Uno H, et al. On the C-statistics for evaluating overall adequacy of risk prediction procedures with censored survival data. Stat Med 2011;30:1105–1117. doi:10.1002/sim.4154",
];
