// Messages to requests and back, and what must not get through.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <memory>

#include "api/grpc/infer_message.h"
#include "api/grpc/message.h"
#include "api/grpc/tf_message.h"
#include "api/grpc/wire_size.h"

namespace millrace::api {
namespace {

using inference::ModelInferRequest;
using tensorflow::serving::PredictRequest;

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  return std::string(reinterpret_cast<const char*>(std::data(values)), values.size() * sizeof(T));
}

std::string text_of(const serving::NamedTensor& tensor) {
  return std::string(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size());
}

struct Reading {
  serving::TensorRequest request;
  Result<InferHead> head;
  std::string error() const { return head ? "" : head.error().message; }
};

Reading read(const ModelInferRequest& message) {
  Reading out{.request = {}, .head = {}};
  const auto wire = std::make_shared<InferWire>(Message(message.SerializeAsString()));
  EXPECT_TRUE(parse_infer(*wire));
  out.head = read_infer(wire, out.request, nullptr);
  return out;
}

ModelInferRequest with_input(const char* datatype, std::initializer_list<std::int64_t> shape) {
  ModelInferRequest message;
  auto& input = *message.add_inputs();
  input.set_name("x");
  input.set_datatype(datatype);
  for (const auto dim : shape) input.add_shape(dim);
  return message;
}

// What is said twice on the wire is one message: raw tensors may stand before and between fields.
TEST(InferWire, RawTensorsMayStandAnywhere) {
  ModelInferRequest first, second, third;
  first.add_raw_input_contents("one");
  second.set_model_name("m");
  second.add_raw_input_contents("");
  third.set_id("i");
  third.add_raw_input_contents("three");
  InferWire wire(
      Message(first.SerializeAsString() + second.SerializeAsString() + third.SerializeAsString()));
  ASSERT_TRUE(parse_infer(wire));
  EXPECT_EQ(wire.raw, (std::vector<std::string_view>{"one", "", "three"}));
  EXPECT_EQ(wire.head.model_name(), "m");
  EXPECT_EQ(wire.head.id(), "i");
  EXPECT_EQ(wire.head.raw_input_contents_size(), 0);
}

TEST(InferMessage, RawContentsGoToTheInputsInOrder) {
  auto message = with_input("FP32", {1, 2});
  auto& second = *message.add_inputs();
  second.set_name("y");
  second.set_datatype("BYTES");
  message.add_raw_input_contents(bytes_of<float>({1, 2}));
  message.add_raw_input_contents("....");
  message.set_id("i");
  const Reading got = read(message);
  ASSERT_TRUE(got.head) << got.error();
  EXPECT_EQ(got.head->id, "i");
  ASSERT_EQ(got.request.inputs.size(), 2u);
  EXPECT_EQ(text_of(got.request.inputs[0]), bytes_of<float>({1, 2}));
  EXPECT_EQ(got.request.inputs[0].dims, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(got.request.inputs[1].dtype, DType::bytes);
  EXPECT_EQ(text_of(got.request.inputs[1]), "....");
}

TEST(InferMessage, TypedContentsOfEveryType) {
  const auto typed = [](const char* datatype, auto fill) {
    auto message = with_input(datatype, {1});
    fill(*message.mutable_inputs(0)->mutable_contents());
    const Reading got = read(message);
    return got.head ? text_of(got.request.inputs.at(0)) : "refused: " + got.error();
  };
  EXPECT_EQ(typed("BOOL", [](auto& c) { c.add_bool_contents(true); }), std::string(1, '\1'));
  EXPECT_EQ(typed("INT8", [](auto& c) { c.add_int_contents(-3); }), bytes_of<std::int8_t>({-3}));
  EXPECT_EQ(typed("INT16", [](auto& c) { c.add_int_contents(-300); }),
            bytes_of<std::int16_t>({-300}));
  EXPECT_EQ(typed("INT32", [](auto& c) { c.add_int_contents(-70000); }),
            bytes_of<std::int32_t>({-70000}));
  EXPECT_EQ(typed("INT64", [](auto& c) { c.add_int64_contents(1ll << 40); }),
            bytes_of<std::int64_t>({1ll << 40}));
  EXPECT_EQ(typed("UINT8", [](auto& c) { c.add_uint_contents(255); }),
            bytes_of<std::uint8_t>({255}));
  EXPECT_EQ(typed("UINT16", [](auto& c) { c.add_uint_contents(65535); }),
            bytes_of<std::uint16_t>({65535}));
  EXPECT_EQ(typed("UINT32", [](auto& c) { c.add_uint_contents(~0u); }),
            bytes_of<std::uint32_t>({~0u}));
  EXPECT_EQ(typed("UINT64", [](auto& c) { c.add_uint64_contents(~0ull); }),
            bytes_of<std::uint64_t>({~0ull}));
  EXPECT_EQ(typed("FP32", [](auto& c) { c.add_fp32_contents(0.1f); }), bytes_of<float>({0.1f}));
  EXPECT_EQ(typed("FP64", [](auto& c) { c.add_fp64_contents(0.1); }), bytes_of<double>({0.1}));
  EXPECT_EQ(typed("BYTES", [](auto& c) { c.add_bytes_contents("ab"); }),
            bytes_of<std::uint32_t>({2}) + "ab");
  for (const char* half : {"FP16", "BF16"}) {
    EXPECT_TRUE(typed(half, [](auto& c) { c.add_fp32_contents(1); }).starts_with("refused"));
  }
  EXPECT_TRUE(typed("INT8", [](auto& c) { c.add_int_contents(128); }).starts_with("refused"));
  EXPECT_TRUE(typed("UINT16", [](auto& c) { c.add_uint_contents(65536); }).starts_with("refused"));
  EXPECT_TRUE(typed("FP32", [](auto& c) { c.add_fp64_contents(1); }).starts_with("refused"));
  EXPECT_TRUE(typed("INT32", [](auto& c) {
                c.add_int_contents(1);
                c.add_int64_contents(1);
              }).starts_with("refused"));
}

TEST(InferMessage, NeverBothKindsOfContents) {
  auto message = with_input("FP32", {1});
  message.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
  message.add_raw_input_contents("1234");
  EXPECT_NE(read(message).error().find("input 'x' has 'contents'"), std::string::npos);
  auto few = with_input("FP32", {1});
  few.add_inputs()->set_datatype("FP32");
  few.add_raw_input_contents("1234");
  EXPECT_NE(read(few).error().find("fewer than there are inputs"), std::string::npos);
  auto many = with_input("FP32", {1});
  many.add_raw_input_contents("1234");
  many.add_raw_input_contents("1234");
  EXPECT_NE(read(many).error().find("more than there are inputs"), std::string::npos);
  EXPECT_NE(read(with_input("fp32", {1})).error().find("'datatype'"), std::string::npos);
}

TEST(InferMessage, ParametersAreThoseOfHttp) {
  ModelInferRequest message;
  auto& parameters = *message.mutable_parameters();
  parameters["priority"].set_uint64_param(2);
  parameters["timeout"].set_int64_param(1000);
  parameters["triton_enable_empty_final_response"].set_bool_param(true);
  parameters["sequence_id"].set_int64_param(0);
  parameters["unknown"].set_double_param(0.5);
  auto& output = *message.add_outputs();
  output.set_name("y");
  (*output.mutable_parameters())["classification"].set_int64_param(3);
  const Reading got = read(message);
  ASSERT_TRUE(got.head) << got.error();
  EXPECT_EQ(got.request.priority, 2);
  EXPECT_EQ(got.request.deadline - got.request.arrival, std::chrono::microseconds(1000));
  ASSERT_EQ(got.head->outputs.size(), 1u);
  EXPECT_TRUE(got.head->outputs[0].binary);
  EXPECT_EQ(got.head->outputs[0].classification, 3);

  const auto refused = [](const char* name, auto set) {
    ModelInferRequest one;
    set((*one.mutable_parameters())[name]);
    return !read(one).head.has_value();
  };
  EXPECT_TRUE(refused("priority", [](auto& p) { p.set_uint64_param(~0ull); }));
  EXPECT_TRUE(refused("timeout", [](auto& p) { p.set_string_param("1"); }));
  EXPECT_TRUE(refused("sequence_start", [](auto& p) { p.set_bool_param(true); }));  // of which?
  EXPECT_TRUE(refused("triton_x", [](auto& p) { p.set_bool_param(true); }));
  (*message.mutable_outputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("r");
  EXPECT_NE(read(message).error().find("--enable-shared-memory"), std::string::npos);
  auto twice = ModelInferRequest();
  twice.add_outputs()->set_name("y");
  twice.add_outputs()->set_name("y");
  EXPECT_NE(read(twice).error().find("asked for twice"), std::string::npos);
}

TEST(InferMessage, AStreamsErrorNamesItsRequest) {
  inference::ModelStreamInferResponse response;
  ASSERT_TRUE(response.ParseFromString(write_stream_error("m", "7", {.message = "no"})));
  EXPECT_EQ(response.error_message(), "no");
  EXPECT_EQ(response.infer_response().id(), "7");
}

template <class Proto>
ErrorKind kind_of(const std::string& bytes, const WireShape& shape) {
  Message message(bytes);
  Proto proto;
  if (Status ok = message.check_size(shape); !ok) return ok.error().kind;
  if (Status ok = message.parse(proto); !ok) return ok.error().kind;
  return ErrorKind::cancelled;  // none of those that are expected
}

TEST(WireSize, WhatFitsIsParsed) {
  auto message = with_input("FP32", {1000});
  for (int i = 0; i < 1000; ++i)
    message.mutable_inputs(0)->mutable_contents()->add_fp32_contents(0);
  message.add_raw_input_contents(std::string(20 << 20, '\0'));
  EXPECT_EQ(kind_of<ModelInferRequest>(message.SerializeAsString(), kInferShape),
            ErrorKind::cancelled);
  EXPECT_EQ(kind_of<ModelInferRequest>("", kInferShape), ErrorKind::cancelled);
  PredictRequest predict;
  auto& tensor = (*predict.mutable_inputs())["x"];
  for (int i = 0; i < 1000; ++i) tensor.add_int64_val(i * 1'000'000'000ll), tensor.add_float_val(1);
  EXPECT_EQ(kind_of<PredictRequest>(predict.SerializeAsString(), kPredictShape),
            ErrorKind::cancelled);
}

TEST(WireSize, WhatWouldGrowIsRefusedUnparsed) {
  const auto repeated = [](std::string_view piece, std::size_t bytes) {
    std::string out;
    while (out.size() < bytes) out += piece;
    return out;
  };
  const auto kind = [&](const std::string& bytes) {
    return kind_of<ModelInferRequest>(bytes, kInferShape);
  };
  EXPECT_EQ(kind(repeated({"\x2a\0", 2}, 4 << 20)), ErrorKind::too_large) << "empty inputs";
  EXPECT_EQ(kind(repeated({"\x3a\0", 2}, 8 << 20)), ErrorKind::too_large) << "empty raw tensors";
  EXPECT_EQ(kind(repeated({"\x32\0", 2}, 1 << 20)), ErrorKind::too_large) << "empty outputs";
  EXPECT_EQ(kind(repeated({"\x22\0", 2}, 1 << 20)), ErrorKind::too_large) << "parameters";
  ModelInferRequest named;
  named.set_model_name(std::string(2 << 20, 'm'));
  EXPECT_EQ(kind(named.SerializeAsString()), ErrorKind::too_large);
  auto narrow = with_input("INT64", {1});
  narrow.mutable_inputs(0)->mutable_contents()->mutable_int64_contents()->Resize(20 << 20, 1);
  EXPECT_EQ(kind(narrow.SerializeAsString()), ErrorKind::too_large) << "a byte becomes eight";
}

TEST(WireSize, GarbageIsNoMessage) {
  const auto kind = [&](const std::string& bytes) {
    return kind_of<ModelInferRequest>(bytes, kInferShape);
  };
  EXPECT_EQ(kind("garbage"), ErrorKind::invalid_argument);
  EXPECT_EQ(kind(std::string(1000, '\xff')), ErrorKind::invalid_argument);
  EXPECT_EQ(kind("\x0b"), ErrorKind::invalid_argument) << "a group";
  EXPECT_EQ(kind("\x0a\x05m"), ErrorKind::invalid_argument) << "shorter than it says";
  EXPECT_EQ(kind("\x0a\x01\xff"), ErrorKind::invalid_argument) << "no UTF-8";
  auto whole = with_input("FP32", {1, 2});
  whole.add_raw_input_contents("12345678");
  whole.mutable_inputs(0)->mutable_contents()->add_int_contents(7);
  const std::string bytes = whole.SerializeAsString();
  std::size_t num_refused = 0;
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    num_refused += kind(bytes.substr(0, cut)) == ErrorKind::invalid_argument;
    std::string changed = bytes;
    changed[cut] = static_cast<char>(changed[cut] ^ 0x80);
    (void)kind(changed);
  }
  EXPECT_GT(num_refused, bytes.size() / 2);
}

Reading read(const PredictRequest& message) {
  Reading out{.request = {}, .head = {}};
  out.head = read_predict(std::make_shared<PredictRequest>(message), out.request);
  return out;
}

PredictRequest predict_of(tensorflow::DataType dtype, std::initializer_list<std::int64_t> shape,
                          auto fill) {
  PredictRequest message;
  auto& tensor = (*message.mutable_inputs())["x"];
  tensor.set_dtype(dtype);
  auto& dims = *tensor.mutable_tensor_shape();
  for (const auto size : shape) dims.add_dim()->set_size(size);
  fill(tensor);
  return message;
}

TEST(PredictMessage, ContentAndValues) {
  const auto data = [](tensorflow::DataType dtype, std::initializer_list<std::int64_t> shape,
                       auto fill) {
    const Reading got = read(predict_of(dtype, shape, fill));
    return got.head ? text_of(got.request.inputs.at(0)) : "refused: " + got.error();
  };
  using namespace tensorflow;
  const auto floats = bytes_of<float>({1, 2});
  EXPECT_EQ(data(DT_FLOAT, {2}, [&](auto& t) { t.set_tensor_content(floats); }), floats);
  EXPECT_EQ(data(DT_FLOAT, {2}, [](auto& t) { t.add_float_val(1), t.add_float_val(2); }), floats);
  EXPECT_EQ(data(DT_FLOAT, {3}, [](auto& t) { t.add_float_val(1), t.add_float_val(2); }),
            bytes_of<float>({1, 2, 2}))
      << "the last stands for the rest";
  EXPECT_EQ(data(DT_DOUBLE, {}, [](auto& t) { t.add_double_val(0.1); }), bytes_of<double>({0.1}));
  EXPECT_EQ(data(DT_INT64, {2}, [](auto&) {}), std::string(16, '\0')) << "none: zeros";
  EXPECT_EQ(data(DT_UINT8, {1}, [](auto& t) { t.add_int_val(200); }),
            bytes_of<std::uint8_t>({200}));
  EXPECT_EQ(data(DT_INT16, {1}, [](auto& t) { t.add_int_val(-2); }), bytes_of<std::int16_t>({-2}));
  EXPECT_EQ(data(DT_HALF, {1}, [](auto& t) { t.add_half_val(0x3c00); }),
            bytes_of<std::uint16_t>({0x3c00}));
  EXPECT_EQ(data(DT_BOOL, {2}, [](auto& t) { t.add_bool_val(true); }), "\1\1");
  EXPECT_EQ(data(DT_UINT32, {1}, [](auto& t) { t.add_uint32_val(~0u); }),
            bytes_of<std::uint32_t>({~0u}));
  EXPECT_EQ(data(DT_STRING, {2}, [](auto& t) { t.add_string_val("ab"); }),
            bytes_of<std::uint32_t>({2}) + "ab" + bytes_of<std::uint32_t>({2}) + "ab");

  const auto refused = [&](auto... what) { return data(what...).starts_with("refused"); };
  using Shape = std::initializer_list<std::int64_t>;
  const auto none = [](auto&) {};
  EXPECT_TRUE(refused(DT_FLOAT, Shape{1}, [](auto& t) { t.add_float_val(1), t.add_float_val(2); }));
  EXPECT_TRUE(refused(DT_UINT8, Shape{1}, [](auto& t) { t.add_int_val(256); }));
  EXPECT_TRUE(refused(DT_COMPLEX64, Shape{1}, none));
  EXPECT_TRUE(refused(DT_FLOAT, Shape{-1}, none));
  EXPECT_TRUE(refused(DT_FLOAT, Shape{1ll << 40}, none));
  EXPECT_TRUE(refused(DT_FLOAT, Shape{1ll << 40, 1ll << 40}, none));
  EXPECT_TRUE(refused(DT_STRING, Shape{1}, [](auto& t) { t.set_tensor_content("x"); }));
  EXPECT_TRUE(refused(DT_STRING, Shape{1 << 20},
                      [](auto& t) { t.add_string_val(std::string(4096, 'a')); }));
  EXPECT_TRUE(refused(DT_FLOAT, Shape{},
                      [](auto& t) { t.mutable_tensor_shape()->set_unknown_rank(true); }));
}

TEST(PredictMessage, TheFilterChoosesOutputs) {
  PredictRequest message;
  message.add_output_filter("b");
  message.add_output_filter("a");
  const Reading got = read(message);
  ASSERT_TRUE(got.head);
  ASSERT_EQ(got.head->outputs.size(), 2u);
  EXPECT_EQ(got.head->outputs[0].name, "b");
  message.add_output_filter("a");
  EXPECT_FALSE(read(message).head);
}

}  // namespace
}  // namespace millrace::api
