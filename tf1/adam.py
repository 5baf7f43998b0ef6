"""AdamWeightDecay, google-research/bert's optimizer, in two passes over the weights instead of a dozen.

Upstream puts an update together from TensorFlow's arithmetic, each operation of which goes over all weights and makes
an array as large. Here two of TensorFlow's own kernels change the weights in place, on all cores: gradient descent's,
for the decay, and Adam's. Runs in the tf1 environment.
"""

import tensorflow as tf
from bert import optimization

upstreams_apply_gradients = optimization.AdamWeightDecayOptimizer.apply_gradients


def apply_gradients(self, grads_and_vars, global_step=None, name=None):
    """Returns the operation that updates each variable that has a gradient, with its adam_m and adam_v.

    The variables are upstream's, so each goes on from a checkpoint of the other. The update is upstream's but for
    rounding: each operation's, and that of 1 - beta_2, which Adam's kernel takes in float32. It is less than upstream's
    0.001 by a relative 1.3e-5, and so is what a gradient adds to adam_v; a weight then changes by half of that more.

    Args:
      self: an AdamWeightDecayOptimizer.
      grads_and_vars: (gradient: tensor, IndexedSlices or None; variable) pairs.
      global_step: is not counted here, as upstream.
      name: str, of the operation.
    Source: bert.optimization.AdamWeightDecayOptimizer.apply_gradients, of Loshchilov and Hutter, "Decoupled weight
    decay regularization", 2019.
    """
    decay = self.learning_rate * self.weight_decay_rate
    updates = []
    for grad, param in grads_and_vars:
        if grad is None:
            continue
        param_name = self._get_variable_name(param.name)
        m, v = (
            tf.compat.v1.get_variable(
                f"{param_name}/{slot}",
                param.shape.as_list(),
                initializer=tf.zeros_initializer(),
                trainable=False,
                use_resource=hasattr(param, "handle"),
            )
            for slot in ("adam_m", "adam_v")
        )
        grad = tf.convert_to_tensor(grad)
        done = [grad]  # and with it all else that reads the weights
        if self._do_use_weight_decay(param_name):  # of the weights before Adam changes them
            with tf.control_dependencies(done):
                delta = tf.convert_to_tensor(param)
                done = [update_in_place("ApplyGradientDescent", var=param, alpha=decay, delta=delta)]
        with tf.control_dependencies(done):
            update = update_in_place(
                "ApplyAdam",
                var=param,
                m=m,
                v=v,
                beta1_power=0.0,  # m and v are not corrected for their start at zero, as upstream
                beta2_power=0.0,
                lr=self.learning_rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=grad,
            )
        updates.append(update)
    return tf.group(*updates, name=name)


def update_in_place(kernel, **inputs):
    """Returns the operation of that name in TensorFlow, or that for resource variables, if "var" is one."""
    if hasattr(inputs["var"], "handle"):
        kernel = "Resource" + kernel
        inputs = {name: getattr(value, "handle", value) for name, value in inputs.items()}
    return getattr(tf.raw_ops, kernel)(**inputs)


optimization.AdamWeightDecayOptimizer.apply_gradients = apply_gradients
