"""Methods, as people name them."""

TITLES = {
    "gradient": "Gradient",
    "saliency": "Saliency",
    "input_x_gradient": "Input x gradient",
    "deconvnet": "Deconvnet",
    "guided_backprop": "Guided backprop",
    "integrated_gradients": "Integrated gradients",
    "deep_lift": "DeepLIFT",
    "smooth_grad": "SmoothGrad",
    "var_grad": "VarGrad",
    "grad_cam": "Grad-CAM",
    "guided_grad_cam": "Guided Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++",
    "layer_cam": "Layer-CAM",
    "x_grad_cam": "XGrad-CAM",
    "eigen_cam": "Eigen-CAM",
    "score_cam": "Score-CAM",
    "ablation_cam": "Ablation-CAM",
    "attention_rollout": "Attention rollout",
    "occlusion": "Occlusion",
    "rise": "RISE",
    "segment": "Segmentation",
}
"""All there are, in the order in which they are offered."""
SLOW = ("score_cam", "ablation_cam", "occlusion", "rise", "integrated_gradients", "smooth_grad", "var_grad")
"""Methods that take many passes, and tell how far they are."""
