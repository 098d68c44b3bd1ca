"""Keys that the files of self-supervised projects hold besides the encoder that is asked for."""

# Patterns of whole keys, once `state_dict` has taken the prefixes away. Read off the code of Barlow Twins, VICReg,
# SwAV, MoCo (v2 and v3), DINO, DINOv2, solo-learn, lightly and OpenMMLab.
OTHER_KEYS = (
    r".*\.num_batches_tracked",  # a counter that Keras does not have
    r"(.*\.)?total_(ops|params)",  # what a profiler left in the files of Mixed Barlow Twins
    # Classifiers and heads, and the batch norm that is Barlow Twins' last.
    r"(fc|head|heads|classifier|online_classifier|predictor|projector|bn)\..*",
    r"(projection_head|prediction_head|dino_head|ibot_head|prototypes)\..*",
    # The second encoder with its heads.
    r"encoder_k\..*",
    r"momentum_(encoder|backbone|projector|predictor|head|classifier)\..*",
    r"(student|teacher|query|key)_(backbone|head|projection_head|prediction_head)\..*",
    r"(backbone|projection_head)_momentum\..*",
    # Losses and queues.
    r"(criterion|dino_loss_func|queues)\..*",
    r"queue|queue_ptr|queue_y|classifier|prototypes",
    r"g\.\d+\..*",  # the projector of Mixed Barlow Twins
    r"neck\..*|data_preprocessor\..*|target_(net|generator)\..*",  # of OpenMMLab's files
)
