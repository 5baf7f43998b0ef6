"""google-research/bert's optimizer with the update as one of TensorFlow's operations, where upstream has a dozen.

Each of these goes through as many numbers as the model has weights, so on a CPU they take a fifth of a step.
"""

from unittest import mock

import tensorflow as tf
from bert import optimization
from tensorflow.python.ops.resource_variable_ops import ResourceVariable
from tensorflow.python.training import training_ops

from tf1 import workers


def apply_gradients(optimizer, grads_and_vars, global_step=None, name=None):
    """AdamWeightDecayOptimizer.apply_gradients within rounding, on the same variables.

    The gradients have to be clipped by their global norm, as upstream's: so none is there before all are computed, and
    no weight changes that one of them still has to be computed from.
    """
    updates = []
    for grad, param in grads_and_vars:
        if grad is None:
            continue
        scope, resource = optimizer._get_variable_name(param.name), isinstance(param, ResourceVariable)
        m, v = (
            tf.compat.v1.get_variable(
                name=f"{scope}/adam_{moment}",
                shape=param.shape.as_list(),
                initializer=tf.compat.v1.zeros_initializer(),
                trainable=False,
                use_resource=resource,
            )
            for moment in "mv"
        )
        grad = tf.convert_to_tensor(grad)  # that of the word embeddings is IndexedSlices
        before = [grad]
        if optimizer._do_use_weight_decay(scope):
            with tf.control_dependencies(before):
                before = [param.assign(param * (1 - optimizer.learning_rate * optimizer.weight_decay_rate))]
        # With Adam's powers of beta as 0 there is no bias correction, as upstream has none.
        numbers = 0.0, 0.0, optimizer.learning_rate, optimizer.beta_1, optimizer.beta_2, optimizer.epsilon, grad
        with tf.control_dependencies(before):
            if resource:
                updates.append(training_ops.resource_apply_adam(param.handle, m.handle, v.handle, *numbers))
            else:
                updates.append(training_ops.apply_adam(param, m, v, *numbers))
    return tf.group(*updates, name=name)


def create_optimizer(loss, learning_rate, num_train_steps, num_warmup_steps):
    """Returns the operation that trains one step, on the mean of the workers' gradients.

    Source: bert.optimization.create_optimizer, which leaves open whether a step is counted before or after its learning
    rate is computed. Here: after.
    """
    by_one_operation = mock.patch.object(optimization.AdamWeightDecayOptimizer, "apply_gradients", apply_gradients)
    with workers.averaged_gradients(), by_one_operation:
        train_op = optimization.create_optimizer(loss, learning_rate, num_train_steps, num_warmup_steps, False)
    updates, increment = train_op.control_inputs
    tf.contrib.graph_editor.add_control_inputs(increment, updates)
    return train_op
