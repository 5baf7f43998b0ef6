"""Text, vocabulary, configuration and reviews: read in every environment, without TensorFlow or OpenVINO."""
