#include "backends/openvino/graph_files.h"

#include <gtest/gtest.h>

#include "backends/openvino/missing_openvino.h"
#include "weights/test_files.h"

namespace millrace::backends {
namespace {

namespace fs = std::filesystem;

class GraphFilesTest : public testing::Test {
 protected:
  void file(const std::string& name) {
    fs::create_directories((folder.path() / name).parent_path());
    folder.write(name, "x");
  }
  std::string found(const std::string& name) {
    const auto file = find_graph_file(folder.path() / name);
    if (!file) return "none";
    return file->format + ":" + file->path.lexically_relative(folder.path()).string();
  }
  weights::ScratchFolder folder;
};

TEST_F(GraphFilesTest, FilesByTheirEnding) {
  for (const char* name : {"a.onnx", "b.xml", "c.tflite", "d.graphdef", "e.txt"}) file(name);
  EXPECT_EQ(found("a.onnx"), "onnx:a.onnx");
  EXPECT_EQ(found("b.xml"), "openvino:b.xml");
  EXPECT_EQ(found("c.tflite"), "tflite:c.tflite");
  EXPECT_EQ(found("d.graphdef"), "tensorflow:d.graphdef");
  EXPECT_EQ(found("e.txt"), "none");
  EXPECT_EQ(found("absent.onnx"), "none");
  EXPECT_EQ(found("."), "none") << "a folder of models is no model";
}

TEST_F(GraphFilesTest, FoldersByWhatIsInThem) {
  file("half/saved_model.pb");
  file("triton/1/model.savedmodel/saved_model.pb");
  file("plain/model.onnx");
  file("resnet/resnet.onnx");
  file("squeeze/12/squeeze.onnx");
  file("other/some.onnx");
  EXPECT_EQ(found("half"), "tensorflow:half");
  EXPECT_EQ(found("half/saved_model.pb"), "tensorflow:half");
  EXPECT_EQ(found("triton/1"), "tensorflow:triton/1/model.savedmodel");
  EXPECT_EQ(found("plain"), "onnx:plain/model.onnx");
  EXPECT_EQ(found("resnet"), "onnx:resnet/resnet.onnx");
  EXPECT_EQ(found("squeeze/12"), "onnx:squeeze/12/squeeze.onnx");
  EXPECT_EQ(found("squeeze"), "none");
  EXPECT_EQ(found("other"), "none") << "the scan of the models folder decides";
}

TEST_F(GraphFilesTest, ABuildWithoutTheRuntimeSaysWhatToDo) {
  file("a.onnx");
  MissingOpenvino missing;
  EXPECT_FALSE(missing.available());
  ModelSpec spec;
  spec.path = folder.path() / "a.onnx";
  EXPECT_TRUE(missing.recognises(spec));
  Metrics metrics;
  LoadContext context{.metrics = metrics, .progress = {}};
  const auto loaded = missing.load(spec, context);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find("scripts/fetch-openvino"), std::string::npos);
}

}  // namespace
}  // namespace millrace::backends
