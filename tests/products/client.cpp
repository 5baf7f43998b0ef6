// Texts, one a line of standard input, to their probabilities and labels: client EXTENSION.so classifier.xml
#include <iostream>
#include <openvino/openvino.hpp>

int main(int, char** argv) {
    ov::Core core;
    core.add_extension(std::string(argv[1]));
    auto model = core.read_model(argv[2]);
    auto request = core.compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32)).create_infer_request();

    std::vector<std::string> texts;
    for (std::string line; std::getline(std::cin, line);) texts.push_back(line);
    request.set_input_tensor(ov::Tensor(ov::element::string, {texts.size()}, texts.data()));
    request.infer();

    auto answer = request.get_output_tensor();
    for (size_t i = 0; i < answer.get_size(); i++) std::cout << answer.data<float>()[i] << "\n";
    std::cout << model->get_rt_info<std::string>("classifier", "labels") << "\n";
}
