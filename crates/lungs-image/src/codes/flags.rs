//! Peculiarities of series that are used.

use super::codes;

codes! {
    /// A peculiarity that does not exclude a series.
    Flag: std::borrow::Cow<'_, str> {
        LungsCutAtTop: "lungs-cut-at-top", Look, "lungs cut at the top",
                "the scan ends inside the lungs, towards the head";
        LungsCutAtBottom: "lungs-cut-at-bottom", Look, "lungs cut at the bottom",
                "the scan ends inside the lungs, towards the feet";
        LungsCutAtSide: "lungs-cut-at-side", Look, "lungs cut at the side",
                "the field of view ends inside a lung";
        LungsBeyondCrop: "lungs-beyond-crop", Look, "lungs beyond the crop",
                "the network does not see all of the lungs; preprocess.size is too small for them";
        SmallLungVolume: "small-lung-volume", Look, "small lungs",
                "both lungs together are less than 1.5 litres; inhaled adult lungs are 3 to 7 litres";
        OneLung: "one-lung", Look, "one lung",
                "one side has less than a twelfth of the lung volume, or none";
        AsymmetricLungs: "asymmetric-lungs", Look, "asymmetric lungs",
                "one side has much less lung than the other: collapse, effusion, or incomplete segmentation";
        GasBesideLung: "gas-beside-lung", Look, "gas next to the lung",
                "gas without lung tissue in the chest, such as a pneumothorax or a large bulla";
        TracheaNotFound: "trachea-not-found", Look, "no trachea found",
                "it may be segmented as lung and extend the bounding box into the neck";
        BodyInterrupted: "body-interrupted", Look, "body interrupted",
                "slices of air divide the body, as in a phantom of slabs; they are treated like their neighbours";
        PatientAssumed: "patient-assumed", Note, "patient assumed",
                "the volume file names no patient and is treated as a patient of its own";
        LocalizersLeftOut: "localizers-left-out", Note, "scout views excluded",
                "localizer images in the series are not part of the volume";
        DosePagesLeftOut: "dose-pages-left-out", Note, "dose pages excluded",
                "dose reports in the series are not part of the volume";
        ScreenSavesLeftOut: "screen-saves-left-out", Note, "screen saves excluded",
                "screenshots in the series are not part of the volume";
        ProjectionsLeftOut: "projections-left-out", Note, "projections excluded",
                "projections through many slices are not part of the volume";
        MixedHeaders: "mixed-headers", Look, "headers differ",
                "a few slices differ from the others in kernel, voltage, thickness, type or time";
        SecondaryCapturesLeftOut: "secondary-captures-left-out", Note, "secondary captures excluded",
                "pictures made from other images are not part of the volume";
        ColourImagesLeftOut: "colour-images-left-out", Note, "colour images excluded",
                "CT slices are greyscale";
        OtherModalitiesLeftOut: "other-modalities-left-out", Note, "other modalities excluded",
                "objects with the UID of the series that are not CT images";
        TiltResheared: "tilt-resheared", Note, "gantry tilt corrected",
                "the image rows were resampled onto an untilted grid";
        ReformattedFromSagittal: "reformatted-from-sagittal", Note, "reformatted from sagittal",
                "sagittal images were reformatted to axial order";
        ReformattedFromCoronal: "reformatted-from-coronal", Note, "reformatted from coronal",
                "coronal images were reformatted to axial order";
        OrientationAssumed: "orientation-assumed", Look, "orientation assumed",
                "the file has no orientation in patient coordinates";
        SpacingAssumed: "spacing-assumed", Note, "spacing assumed",
                "the file has no voxel size; 1.5 mm is the spacing of the Python package `lungs`";
        PreparedBefore: "prepared-before", Note, "already prepared",
                "the volume was only cropped to preprocess.size";
        CopiesCountedOnce: "copies-counted-once", Note, "copies counted once",
                "identical files exist in several folders";
        DuplicatesDropped: "duplicates-dropped", Note, "duplicates dropped",
                "some slices exist several times with equal pixels; one of each is used";
        Reoriented: "reoriented", Note, "reoriented",
                "the images are stored in another orientation and were turned to the standard one";
    }
    numbered {
        OneOfStacks: "one-of-", "-stacks", Look, "one of several stacks",
            "the series has several stacks of slices; the largest is used";
    }
}
