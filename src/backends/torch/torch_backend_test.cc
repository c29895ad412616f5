#include "backends/torch/torch_backend.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "backends/batch_probe.h"
#include "backends/tensor_contract.h"
#include "backends/torch/declared_tensors.h"
#include "backends/torch/torch_files.h"
#include "backends/torch/torch_model.h"
#include "backends/torch/torch_module.h"
#include "backends/torch/torch_program.h"
#include "weights/test_files.h"

namespace millrace::backends {
namespace {

namespace fs = std::filesystem;

TEST(TorchFiles, AreFoundByTheirNames) {
  const weights::ScratchFolder folder;
  const auto found = [&](const std::string& name) {
    const auto file = find_torch_file(folder.path() / name);
    return file ? file->filename().string() : "";
  };
  for (const char* name : {"a", "net", "net/3", "named", "bin"}) {
    fs::create_directories(folder.path() / name);
  }
  folder.write("x.pt", "");
  folder.write("x.pt2", "");
  folder.write("x.bin", "");
  folder.write("a/model.pt", "");
  folder.write("net/3/net.pt2", "");
  folder.write("named/named.pt", "");
  folder.write("bin/pytorch_model.bin", "");
  EXPECT_EQ(found("x.pt"), "x.pt");
  EXPECT_EQ(found("x.pt2"), "x.pt2");
  EXPECT_EQ(found("x.bin"), "") << "an OpenVINO graph's weights are called so";
  EXPECT_EQ(found("a"), "model.pt");
  EXPECT_EQ(found("net/3"), "net.pt2");
  EXPECT_EQ(found("named"), "named.pt");
  EXPECT_EQ(found("bin"), "pytorch_model.bin");
  EXPECT_EQ(found("net"), "");
  EXPECT_EQ(found("none"), "");
}

std::string little(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i & 0xff);
  return out;
}

std::string zip_entry(const std::string& name) {
  return little(0x02014b50, 4) + std::string(24, '\0') + little(name.size(), 2) +
         std::string(16, '\0') + name;
}

std::string zip_end(std::size_t at, std::size_t bytes) {
  return little(0x06054b50, 4) + std::string(8, '\0') + little(bytes, 4) + little(at, 4) +
         little(0, 2);
}

std::string format_error(const weights::ScratchFolder& folder, const std::string& bytes) {
  const auto format = torch_format(folder.write("m.pt", bytes));
  return format ? "" : format.error().message;
}

TEST(TorchFiles, TheArchiveSaysWhatItIs) {
  const weights::ScratchFolder folder;
  const auto zip = [&](std::initializer_list<const char*> names) {
    std::string directory;
    for (const char* name : names) directory += zip_entry(name);
    return "data" + directory + zip_end(4, directory.size());
  };
  EXPECT_EQ(torch_format(folder.write("s.pt", zip({"m/data.pkl", "m/code/__torch__.py"}))),
            TorchFormat::script);
  EXPECT_EQ(torch_format(folder.write("p.pt2", zip({"m/data/aotinductor/model/x.so"}))),
            TorchFormat::package);
  EXPECT_NE(format_error(folder, zip({"m/data.pkl", "m/data/0"})).find("pickled"),
            std::string::npos);
  EXPECT_NE(format_error(folder, zip({"m/models/model.json"})).find("not compiled"),
            std::string::npos);
  EXPECT_NE(format_error(folder, zip({"code/x"})).find("neither"), std::string::npos);
  EXPECT_NE(format_error(folder, "\x80\x02}q").find("pickled"), std::string::npos);
}

TEST(TorchFiles, AnArchiveMayLie) {
  const weights::ScratchFolder folder;
  const std::string entry = zip_entry("m/code/a");
  const std::string whole = entry + zip_end(0, entry.size());
  ASSERT_EQ(format_error(folder, whole), "");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(format_error(folder, whole.substr(0, size)), "") << size;
  }
  EXPECT_NE(format_error(folder, entry + zip_end(0, 0xffffffff)), "");
  EXPECT_NE(format_error(folder, entry + zip_end(0xfffffff0, entry.size())), "");
  std::string long_name = whole;
  long_name[28] = '\xff';
  EXPECT_NE(format_error(folder, long_name), "");
  const std::string locator =
      little(0x07064b50, 4) + little(0, 4) + little(~0ull, 8) + little(1, 4);
  EXPECT_NE(format_error(folder, entry + locator + zip_end(0, entry.size())), "");
  const std::string end64 =
      little(0x06064b50, 4) + std::string(36, '\0') + little(entry.size(), 8) + little(0, 8);
  const std::string locator64 =
      little(0x07064b50, 4) + little(0, 4) + little(entry.size(), 8) + little(1, 4);
  EXPECT_EQ(format_error(folder, entry + end64 + locator64 + zip_end(~0u, ~0u)), "");
}

TEST(DeclaredTensors, AreReadFromTheFoldersFile) {
  const weights::ScratchFolder folder;
  fs::create_directories(folder.path() / "m" / "2");
  folder.write("m/model.toml", R"(
max-batch-size = 4
[[input]]
name = "x"
dtype = "FP32"
shape = [-1, 3]
[[input]]
name = "n"
dtype = "INT64"
shape = []
)");
  const auto declared = read_declared_tensors(folder.path() / "m" / "2");
  ASSERT_TRUE(declared) << declared.error().message;
  ASSERT_EQ(declared->inputs.size(), 2u);
  EXPECT_EQ(declared->inputs[0].name, "x");
  EXPECT_EQ(declared->inputs[0].dtype, DType::f32);
  EXPECT_EQ(declared->inputs[0].shape, (Shape{-1, 3}));
  EXPECT_EQ(declared->inputs[1].shape, Shape());
  EXPECT_TRUE(declared->outputs.empty());
  folder.write("m/2/model.toml", "input = [{name = \"y\", dtype = \"BOOL\", shape = [1]}]");
  EXPECT_EQ(read_declared_tensors(folder.path() / "m" / "2")->inputs.at(0).name, "y");
  folder.write("m/one.toml", "output = [{name = \"z\", dtype = \"BOOL\", shape = [1]}]");
  EXPECT_EQ(read_declared_tensors(folder.path() / "m" / "one.pt")->outputs.at(0).name, "z");
}

TEST(DeclaredTensors, ErrorsSayWhere) {
  const std::pair<const char*, const char*> rows[] = {
      {"[[input]]\nname = \"x\"\ndtype = \"FP32\"", "name, dtype and shape"},
      {"[[input]]\nname = \"x\"\ndtype = \"float\"\nshape = []", "model.toml:3: [[input]]: dtype"},
      {"[[input]]\nname = \"x\"\ndtype = \"BYTES\"\nshape = []", "dtype must be one of"},
      {"[[input]]\nname = \"x\"\ndtype = \"FP32\"\nshape = [-2]", "shape must be"},
      {"[[input]]\nname = \"x\"\ndtype = \"FP32\"\nshape = [1,1,1,1,1,1,1,1,1]", "at most 8"},
      {"[[input]]\nname = \"\"\ndtype = \"FP32\"\nshape = []", "name"},
      {"[[input]]\ncolour = 1", "\"colour\""},
      {"[input]\nname = \"x\"", "once for each"},
      {"input = 3", "once for each"},
      {"[[output]]\nname='x'\ndtype='FP32'\nshape=[]\n[[output]]\nname='x'\ndtype='FP32'\nshape=[]",
       "twice"},
      {"[[input", "model.toml:1"}};
  for (const auto& [text, says] : rows) {
    const weights::ScratchFolder folder;
    folder.write("model.toml", text);
    const auto declared = read_declared_tensors(folder.path());
    ASSERT_FALSE(declared) << text;
    EXPECT_NE(declared.error().message.find(says), std::string::npos) << declared.error().message;
  }
}

Result<std::unique_ptr<Servable>> load(const fs::path& path, int max_batch_size = 0) {
  static TorchBackend backend;
  Metrics metrics;
  LoadContext context{.metrics = metrics, .progress = {}};
  ModelSpec spec;
  spec.name = "m";
  spec.path = path;
  spec.max_batch_size = max_batch_size;
  EXPECT_TRUE(backend.recognises(spec));
  return backend.load(spec, context);
}

#ifndef MILLRACE_HAS_TORCH
TEST(TorchBackend, SaysHowToGetIt) {
  const weights::ScratchFolder folder;
  const std::string entry = zip_entry("m/code/a");
  folder.write("model.pt", entry + zip_end(0, entry.size()));
  EXPECT_FALSE(has_torch_module());
  const auto loaded = load(folder.path());
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind, ErrorKind::unavailable);
  EXPECT_NE(loaded.error().message.find("WITH_TORCH=1 make build"), std::string::npos);
}
#else

// The programs of tests/torch/programs.py, made once.
const fs::path& programs() {
  static const weights::ScratchFolder folder;
  static const bool made = [] {
    const fs::path source(MILLRACE_SOURCE_DIR);
    const std::string command = (source / ".venv/torch/bin/python").string() + " " +
                                (source / "tests/torch/programs.py").string() + " " +
                                folder.path().string();
    return std::system(command.c_str()) == 0;  // NOLINT: a fixed command
  }();
  EXPECT_TRUE(made) << "torch cannot make the programs: run scripts/fetch-torch";
  return folder.path();
}

std::unique_ptr<Servable> make_double(Metrics&) {
  auto loaded = load(programs() / "double");
  EXPECT_TRUE(loaded) << loaded.error().message;
  return loaded ? *std::move(loaded) : nullptr;
}

INSTANTIATE_TEST_SUITE_P(Torch, TensorContract,
                         testing::Values(TensorContractCase{"torch", make_double}));

int batch_of(const char* name, int max_batch_size = 0) {
  auto loaded = load(programs() / name, max_batch_size);
  EXPECT_TRUE(loaded) << loaded.error().message;
  return loaded ? (*loaded)->describe().max_batch_size : -1;
}

TEST(TorchBackend, FindsTheBatch) {
  EXPECT_EQ(batch_of("double"), 64);
  EXPECT_EQ(batch_of("double", 7), 7);
  EXPECT_EQ(batch_of("double", 1), 0);
  EXPECT_EQ(batch_of("mixing"), 0);
  EXPECT_EQ(batch_of("two"), 64);
}

TEST(TorchBackend, LearnsTheOutputs) {
  auto two = load(programs() / "two");
  ASSERT_TRUE(two) << two.error().message;
  const auto& outputs = (*two)->describe().outputs;
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_EQ(outputs[0].name, "total");
  EXPECT_EQ(outputs[0].dtype, DType::f32);
  EXPECT_EQ(outputs[0].shape, Shape{-1});
  EXPECT_EQ(outputs[1].name, "largest");
  EXPECT_EQ(outputs[1].dtype, DType::i64);
  auto table = load(programs() / "table");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ((*table)->describe().outputs.at(0).name, "half");
  EXPECT_EQ((*table)->describe().outputs.at(1).dtype, DType::boolean);
  auto net = load(programs() / "net");
  ASSERT_TRUE(net) << net.error().message;
  EXPECT_EQ((*net)->describe().outputs.at(0).name, "output");
  EXPECT_EQ((*net)->describe().outputs.at(0).shape, (Shape{-1, 5}));
  EXPECT_EQ((*net)->describe().num_parameters, 3 * 8 * 9 + 8 + 8 * 5 + 5);
  EXPECT_EQ((*net)->describe().weights, "Float");
}

Result<std::vector<float>> infer(Servable& model, const std::vector<float>& row) {
  std::promise<Result<std::vector<float>>> done;
  TensorBatch batch;
  batch.inputs = {{.shape = Shape{1, 2}, .parts = {std::as_bytes(std::span(row))}}};
  model.tensor_model()->infer(std::move(batch), [&](Result<TensorResult> result) {
    if (!result) return done.set_value(std::unexpected(result.error()));
    std::vector<float> values(result->outputs[0].data.size() / sizeof(float));
    std::memcpy(values.data(), result->outputs[0].data.data(), result->outputs[0].data.size());
    done.set_value(std::move(values));
  });
  return done.get_future().get();
}

TEST(TorchModel, AProgramMayWriteIntoItsInput) {
  auto loaded = load(programs() / "writes");
  ASSERT_TRUE(loaded) << loaded.error().message;
  const std::vector<float> row = {1, 2};
  EXPECT_EQ(infer(**loaded, row), (std::vector<float>{2, 3}));
  EXPECT_EQ(row, (std::vector<float>{1, 2})) << "the request's bytes are not the program's";
}

TEST(TorchModel, WhatAProgramRefusesEndsOnlyThatRequest) {
  auto loaded = load(programs() / "refuses", 1);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto refused = infer(**loaded, {-1, 0});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::invalid_argument) << "sizes are open";
  EXPECT_EQ(infer(**loaded, {1, 0}), (std::vector<float>{1, 0}));
}

TEST(TorchBackend, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> rows[] = {
      {"undeclared", "for each of x: [[input]] name = \"x\""},
      {"misnamed", "for each of x"},
      {"weights", "pickled"},
      {"exported", "not compiled"},
      {"damaged", "damaged"}};
  for (const auto& [name, says] : rows) {
    const auto loaded = load(programs() / name);
    ASSERT_FALSE(loaded) << name;
    EXPECT_EQ(loaded.error().kind, ErrorKind::invalid_argument) << name;
    EXPECT_NE(loaded.error().message.find(says), std::string::npos) << loaded.error().message;
    EXPECT_EQ(loaded.error().message.find(programs().string()), std::string::npos) << name;
  }
}
#endif

TEST(BatchProbe, MadeUpInputsFillOpenSizes) {
  const std::vector<TensorSpec> specs = {
      {.name = "a", .dtype = DType::f16, .shape = Shape{-1, -1, 3}},
      {.name = "b", .dtype = DType::i64, .shape = Shape{2}}};
  const auto made = make_up_inputs(specs, 5, 7);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->shapes[0], (Shape{5, 7, 3}));
  EXPECT_EQ(made->values[0].size(), 5u * 7 * 3 * 2);
  EXPECT_EQ(made->shapes[1], Shape{2});
  for (std::size_t i = 0; i < made->values[0].size(); i += 2) {
    std::uint16_t half = 0;
    std::memcpy(&half, made->values[0].data() + i, sizeof half);
    EXPECT_LE(half & 0x7fff, 0x3c00) << "in [-1, 1]";
  }
  EXPECT_FALSE(make_up_inputs(std::vector<TensorSpec>{{.dtype = DType::bytes}}, 1, 1));
  EXPECT_FALSE(make_up_inputs(std::vector<TensorSpec>{{.any_rank = true}}, 1, 1));
  EXPECT_FALSE(make_up_inputs(
      std::vector<TensorSpec>{{.shape = Shape{1 << 20, 1 << 20, 1 << 20, 1 << 20}}}, 1, 1));
}

}  // namespace
}  // namespace millrace::backends
