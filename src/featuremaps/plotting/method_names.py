"""What the field calls a method, for figures and reports: "Grad-CAM", where code and files say `grad_cam`."""

NAMES = {
    "grad_cam": "Grad-CAM",
    "cam": "CAM",
    "grad_cam_pp": "Grad-CAM++",
    "xgrad_cam": "XGrad-CAM",
    "layer_cam": "LayerCAM",
    "hires_cam": "HiResCAM",
    "elementwise_cam": "Element-wise CAM",
    "shapley_cam": "ShapleyCAM",
    "finer_cam": "Finer-CAM",
    "smooth_grad_cam_pp": "Smooth Grad-CAM++",
    "refine_cam": "RefineCAM",
    "random_cam": "Random CAM",
    "score_cam": "Score-CAM",
    "ss_cam": "SS-CAM",
    "is_cam": "IS-CAM",
    "ablation_cam": "Ablation-CAM",
    "eigen_cam": "Eigen-CAM",
    "eigen_grad_cam": "EigenGradCAM",
    "kpca_cam": "KPCA-CAM",
    "fem": "FEM",
    "full_grad": "FullGrad",
    "integrated_gradients": "Integrated Gradients",
    "smooth_grad": "SmoothGrad",
    "square_grad": "SmoothGrad-Squared",
    "var_grad": "VarGrad",
    "gradient_shap": "GradientSHAP",
    "deep_lift": "DeepLIFT",
    "legrad": "LeGrad",
    "lime": "LIME",
    "kernel_shap": "Kernel SHAP",
    "lrp": "LRP",
    "rise": "RISE",
    "d_rise": "D-RISE",
    "input_x_gradient": "Input × Gradient",
    "guided_backprop": "Guided Backprop",
    "deconvnet": "DeconvNet",
    "guided_grad_cam": "Guided Grad-CAM",
    "excitation_backprop": "Excitation Backprop",
}
"""By the name in the registry. A method that is not here is called by its own name, written out."""


def method_name(name: str) -> str:
    """The method as papers write it: `"grad_cam"` is "Grad-CAM". One that is not known: `"my_method"` is "My method".

    A name that has a capital, a space or a hyphen is taken as it is.
    """
    if name in NAMES:
        return NAMES[name]
    if not name or name != name.lower() or any(mark in name for mark in " -."):
        return name
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
